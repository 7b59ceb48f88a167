import { CommandError, exitCode } from "./exit.ts";
import type { FlagSpec, Flags } from "./flags.ts";
import type { Output } from "./output.ts";

/** What a command gets. */
export interface Invocation {
  readonly args: readonly string[];
  /** How many of `args` stood before a `--`; undefined when there was none. */
  readonly dashAt: number | undefined;
  /** The command's own flags and the program's global ones. */
  readonly flags: Flags;
  /** Those of `flags` that come from above: of the program and of the groups. */
  readonly inherited: readonly FlagSpec[];
  readonly env: NodeJS.ProcessEnv;
  readonly out: Output;
}

/** A command, or a group of them. */
export interface Command {
  /** The line behind "Usage:", beginning with the command's name. */
  readonly use: string;
  /** A group's flags are its commands' too. */
  readonly flags?: readonly FlagSpec[];
  readonly commands?: readonly Subcommand[];
  /** What the arguments have to be; refused with the usage, before anything is done. */
  readonly checkArgs?: (args: readonly string[]) => void;
  /** Words that completion offers for the first argument. */
  readonly words?: readonly string[];
  readonly run?: (invocation: Invocation) => Promise<void>;
}

export interface Subcommand extends Command {
  readonly short: string;
}

/** A command of a program; its code is loaded when it is asked for. */
export interface Entry {
  readonly name: string;
  readonly short: string;
  /** Under which the program's help lists it. */
  readonly group?: string;
  /** It reads no ETCDCTL_* variables: it talks to no server. */
  readonly offline?: boolean;
  readonly load: () => Promise<Command>;
}

/** A program of etcd's family: global flags and commands. */
export interface Program {
  readonly name: string;
  readonly short: string;
  readonly flags: readonly FlagSpec[];
  readonly commands: readonly Entry[];
  /** Global flags are told by this command alone and not in every command's help. */
  readonly optionsCommand?: string;
  /** Called before a command runs: environment variables, checks that concern all. */
  readonly prepare?: (invocation: Invocation) => Promise<void>;
}

/** One command on the way from the program to the one that runs. */
export interface Step {
  readonly name: string;
  readonly short: string;
  readonly offline: boolean;
  readonly command: Command;
}

export const nameOf = (command: Command): string => command.use.split(" ", 1)[0] as string;

/** Exactly so many arguments, else cobra's words. */
export const exactArgs =
  (count: number) =>
  (args: readonly string[]): void => {
    if (args.length === count) return;
    const text = `accepts ${count} arg(s), received ${args.length}`;
    throw new CommandError(exitCode.error, text);
  };
