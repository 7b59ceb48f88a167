/** Randomness. Integers only, since floating point functions may differ between engines. */
export interface Random {
  /** An integer in [0, n); n is a positive safe integer. */
  below(n: number): number;
  /** 64 random bits. */
  bits64(): bigint;
}
