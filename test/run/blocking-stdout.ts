// Loaded into each test file's process. It ends by process.exit() (forceExit), and what a pipe has not
// taken by then is lost: results, under load. A blocking pipe takes all.
const { _handle: handle } = process.stdout as unknown as {
  _handle?: { setBlocking?: (on: boolean) => void };
};
handle?.setBlocking?.(true);
