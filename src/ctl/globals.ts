import { Client, type ClientOptions, RpcError } from "../client/index.ts";
import type { Invocation } from "./command.ts";
import { CommandError, exitCode } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { askSecret } from "./stdin.ts";
import { tlsOf } from "./tls-flags.ts";

export const endpointsOf = (flags: Flags): string[] =>
  flags.strings("endpoints").map((endpoint) => endpoint.trim());

/** Which flags hold the credentials: `--user`, or make-mirror's `--dest-user`. */
export type FlagPrefix = "" | "dest-";

/** Opens a client on the flags' endpoints, or on others, with the flags' credentials. */
export function openClient(
  invocation: Invocation,
  endpoints?: readonly string[],
  prefix: FlagPrefix = "",
): Client {
  const { flags } = invocation;
  const tls = tlsOf(flags, prefix);
  const token = prefix === "" ? flags.string("auth-jwt-token") : "";
  const user = token === "" ? userOf(invocation, prefix) : undefined;
  const asked = endpoints ?? endpointsOf(flags);
  const options: ClientOptions = {
    endpoints: asked,
    // Calls spread over the members, as those of etcd's client do.
    preferred: Math.floor(Math.random() * asked.length),
    dialTimeoutMs: flags.duration("dial-timeout"),
    requestTimeoutMs: flags.duration("command-timeout"),
    keepaliveTimeMs: flags.duration("keepalive-time"),
    keepaliveTimeoutMs: flags.duration("keepalive-timeout"),
    ...(tls === undefined ? {} : { tls }),
    ...(token !== "" ? { token } : user === undefined ? {} : { user }),
  };
  return new Client(options);
}

/** Runs `body` with a client and closes it; a refused request becomes `Error: <etcd's text>`. */
export async function withClient<T>(
  invocation: Invocation,
  body: (client: Client) => Promise<T>,
  code: number = exitCode.error,
): Promise<T> {
  using client = openClient(invocation);
  try {
    return await body(client);
  } catch (error) {
    throw asCommandError(error, code);
  }
}

/** An RpcError as the end of the command; everything else passes through. */
export function asCommandError(error: unknown, code: number = exitCode.error): unknown {
  if (!(error instanceof RpcError)) return error;
  // etcd's client logs in when it is made, which is where connections fail.
  const isLogin = error.etcd === "AuthFailed";
  return new CommandError(isLogin ? exitCode.badConnection : code, refusal(error));
}

/** etcd's own errors are their text alone, as Go's client shows them; others come with their code. */
export const refusal = ({ etcd, code, message, cause }: RpcError): string =>
  etcd !== undefined || cause === undefined || code === "DeadlineExceeded"
    ? message
    : `rpc error: code = ${code} desc = ${message}`;

function userOf(
  { flags, out }: Invocation,
  prefix: FlagPrefix,
): { name: string; password: string } | undefined {
  const user = flags.string(`${prefix}user`);
  if (user === "") return undefined;
  const password = flags.string(`${prefix}password`);
  if (password !== "") return { name: user, password };
  const colon = user.indexOf(":");
  const prompt = prefix === "" ? "Password: " : "Destination Password: ";
  if (colon < 0) return { name: user, password: askSecret(prompt, out) };
  return { name: user.slice(0, colon), password: user.slice(colon + 1) };
}
