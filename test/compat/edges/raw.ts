// Protobuf by hand: fields as they stand on the wire, well-formed or not.

export const varint = (n: bigint): Buffer => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, n);
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
};

export const tag = (field: number, wire: number): Buffer =>
  varint((BigInt(field) << 3n) | BigInt(wire));

export const numberField = (field: number, n: bigint): Buffer =>
  Buffer.concat([tag(field, 0), varint(n)]);

export const bytesField = (field: number, bytes: Uint8Array): Buffer =>
  Buffer.concat([tag(field, 2), varint(BigInt(bytes.byteLength)), bytes]);
