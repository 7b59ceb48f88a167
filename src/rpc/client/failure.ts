/** Why a call has no good end, in gRPC's terms. */
import { Status, type StatusCode } from "../status.ts";
import { ErrorCode } from "../wire.ts";

/** A status other than OK: the server's, or what the transport makes of its own troubles. */
export class CallFailure extends Error {
  override readonly name = "CallFailure";
  readonly status: StatusCode;
  /** The server has not begun with the call, and says so: it may be sent again, whatever it does. */
  readonly isUnprocessed: boolean;

  constructor(status: StatusCode, text: string, isUnprocessed = false) {
    super(text);
    this.status = status;
    this.isUnprocessed = isUnprocessed;
  }
}

/** A stream that the server reset (grpc/grpc doc/PROTOCOL-HTTP2.md, "Errors"). */
export function resetFailure(code: number): CallFailure {
  switch (code) {
    case ErrorCode.refusedStream:
      return new CallFailure(Status.unavailable, "Stream refused by server", true);
    case ErrorCode.cancel:
      return new CallFailure(Status.cancelled, "Call cancelled");
    case ErrorCode.enhanceYourCalm:
      return new CallFailure(
        Status.resourceExhausted,
        "Bandwidth exhausted or memory limit exceeded",
      );
    case ErrorCode.inadequateSecurity:
      return new CallFailure(Status.permissionDenied, "Protocol not secure enough");
    default:
      return new CallFailure(Status.internal, `Received RST_STREAM with code ${code}`);
  }
}

/** The connection went while the call was under way. */
export const connectionDropped = (): CallFailure =>
  new CallFailure(Status.unavailable, "Connection dropped");
