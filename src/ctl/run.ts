import type { Program, Step } from "./command.ts";
import { CommandError, exitCode } from "./exit.ts";
import { findCommand } from "./find.ts";
import { Flags, HelpRequested, type ParsedLine, parseFlags } from "./flags.ts";
import { heedSignalsAsFirstProcess } from "./interrupt.ts";
import type { Output } from "./output.ts";

/** Runs `argv` (without the program's name) and returns the exit code. */
export async function runProgram(
  program: Program,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  out: Output,
): Promise<number> {
  heedSignalsAsFirstProcess();
  if (argv[0] === "__complete" || argv[0] === "__completeNoDesc") {
    const { complete } = await import("./complete.ts");
    return complete(program, argv.slice(1), argv[0] === "__complete", out);
  }
  const { path, rest, unknown } = await findCommand(program, argv);
  if (unknown !== undefined) {
    const { unknownCommand } = await import("./help.ts");
    out.error(unknownCommand(program, unknown));
    return exitCode.error;
  }
  if (path[0]?.name === "help") {
    return helpCommand(
      program,
      rest.filter((word) => !word.startsWith("-")),
      out,
    );
  }
  try {
    await runCommand(program, path, rest, env, out);
    return exitCode.success;
  } catch (error) {
    if (error instanceof HelpRequested) {
      const { help } = await import("./help.ts");
      out.text(help(program, path));
      return exitCode.success;
    }
    if (!(error instanceof CommandError)) throw error;
    if (error.speaks) out.error(`Error: ${error.message}\n`);
    return error.code;
  }
}

async function runCommand(
  program: Program,
  path: readonly Step[],
  rest: readonly string[],
  env: NodeJS.ProcessEnv,
  out: Output,
): Promise<void> {
  const step = path.at(-1);
  const command = step?.command;
  const inherited = [...program.flags, ...path.slice(0, -1).flatMap((s) => s.command.flags ?? [])];
  const flags = new Flags([...inherited, ...(command?.flags ?? [])]);
  const { args, dashAt } = await checked(program, path, out, () => {
    const parsed = parseFlags(rest, flags);
    if (command?.run === undefined) throw new HelpRequested();
    requireFlags(flags);
    command.checkArgs?.(parsed.args);
    return parsed;
  });
  const invocation = { args, dashAt, flags, inherited, env, out };
  if (step?.offline !== true) await program.prepare?.(invocation);
  await command?.run?.(invocation);
}

/** What is wrong with a command line comes with the usage. */
async function checked(
  program: Program,
  path: readonly Step[],
  out: Output,
  parse: () => ParsedLine,
): Promise<ParsedLine> {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const { usage } = await import("./help.ts");
    out.error(`Error: ${error.message}\n${usage(program, path)}\n`);
    throw new CommandError(error.code, error.message, false);
  }
}

function requireFlags(flags: Flags): void {
  const missing = flags.specs.filter((s) => s.required === true && !flags.changed(s.name));
  if (missing.length === 0) return;
  const names = missing.map((s) => `"${s.name}"`).join(", ");
  throw new CommandError(exitCode.error, `required flag(s) ${names} not set`);
}

async function helpCommand(
  program: Program,
  topic: readonly string[],
  out: Output,
): Promise<number> {
  const { help, usage } = await import("./help.ts");
  const { path, rest, unknown } = await findCommand(program, topic);
  if (unknown === undefined && rest.length === 0) out.text(help(program, path));
  else {
    const words = topic.map((word) => `\`${word}\``).join(" ");
    out.error(`Unknown help topic [${words}]\n${usage(program, [])}`);
  }
  return exitCode.success;
}
