import type { LeaseId } from "../../core/types.ts";
import type { Method, StreamCall, UnaryCall } from "../../rpc/index.ts";
import { Status } from "../../rpc/index.ts";
import type { LocalClient } from "../local/index.ts";
import { type ApiContext, unary } from "../v3/context.ts";
import { RecipeError, RecipeStore } from "./store.ts";

/** A unary method that may wait for long, until its caller gives up. */
export function recipeMethod<Request>(
  ctx: ApiContext,
  client: LocalClient,
  decode: (bytes: Uint8Array) => Request,
  run: (store: RecipeStore, request: Request) => Promise<Uint8Array>,
): Method {
  return unary(
    ctx,
    decode,
    (request, reply, _bytes, call) => {
      const store = storeFor(client, call);
      run(store, request).then(
        (message) => reply(undefined, message),
        (error: unknown) => failWith(call, error),
      );
    },
    { access: "own" },
  );
}

/** The store on behalf of a call; what it waits for ends with the call. */
export function storeFor(client: LocalClient, call: UnaryCall | StreamCall): RecipeStore {
  const gone = new AbortController();
  call.onCancel = () => gone.abort();
  const { peer, metadata, authority, deadlineMs } = call;
  return new RecipeStore(client, { peer, metadata, authority, deadlineMs }, gone.signal);
}

export function failWith(call: UnaryCall | StreamCall, error: unknown): void {
  if (error instanceof RecipeError) call.fail(error.code, error.message);
  else call.fail(Status.unknown, error instanceof Error ? error.message : String(error));
}

const slash = Buffer.from("/");

/** What the keys of all that compete for a name begin with. */
export const prefixOf = (name: Uint8Array): Uint8Array => Buffer.concat([name, slash]);

/** The key of one of them. */
export const keyOf = (prefix: Uint8Array, lease: LeaseId): Uint8Array =>
  Buffer.concat([prefix, Buffer.from(lease.toString(16))]);
