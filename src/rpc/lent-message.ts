/**
 * A message in parts, some of whose buffers their owner wants back: `onWritten` runs once when the
 * socket has taken all of it, never when the call or connection ended before.
 */
export class LentMessage extends Array<Uint8Array> {
  onWritten: () => void = () => undefined;
}
