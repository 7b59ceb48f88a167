/** `--wait`: an object's story until it ends, a line for each thing that is new. */
import { isNotFound, pause, type Resource } from "../operator/runtime/index.ts";
import type { KubeObject } from "../operator/types/index.ts";
import type { CommandContext } from "./context.ts";
import { ago } from "./table.ts";

const lookEveryMs = 1000;

export interface Story<T extends KubeObject> {
  /** What has happened until now, in order; a line is printed when it is seen first. */
  readonly lines: (object: T) => readonly string[];
  /** How it ended; undefined while it goes on. */
  readonly end: (object: T) => { readonly ok: boolean; readonly text: string } | undefined;
}

/** Resolves to the exit code: 0 it ended well, 1 it did not or nobody knows yet. */
export async function follow<T extends KubeObject>(
  resource: Resource,
  name: string,
  story: Story<T>,
  timeoutMs: number,
  { api, namespace, clock, stdout, signal }: CommandContext,
): Promise<number> {
  const startedMs = clock.nowMs();
  const told = new Set<string>();
  const tell = (line: string): void => {
    if (told.has(line)) return;
    told.add(line);
    stdout(`${`+${ago((clock.nowMs() - startedMs) / 1000)}`.padEnd(7)} ${line}\n`);
  };
  const later = `look again: kubectl -n ${namespace} get ${resource.plural} ${name}`;
  for (;;) {
    const object = await read<T>(api.get(resource, namespace, name));
    if (object === undefined) {
      tell(`${resource.kind} ${name} was deleted by somebody`);
      return 1;
    }
    for (const line of story.lines(object)) tell(line);
    const end = story.end(object);
    if (end !== undefined) {
      tell(end.text);
      return end.ok ? 0 : 1;
    }
    if (signal.aborted || clock.nowMs() - startedMs >= timeoutMs) {
      const why = signal.aborted ? "stopped waiting" : "waited long enough";
      tell(`${why}; it goes on without this command. ${later}`);
      return 1;
    }
    await pause(clock, lookEveryMs, signal);
  }
}

async function read<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
