/** `kubectl quoin`, a plugin of kubectl. `main.ts` is its program. */
export { type PluginIo, runPlugin } from "./run.ts";
