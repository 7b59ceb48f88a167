/**
 * etcd's errors: gRPC status code and text. Clients recognise an error by its text, so the texts
 * are etcd's to the letter (api/v3rpc/rpctypes/error.go); nearly all go out behind "etcdserver: ".
 */
const table = {
  EmptyKey: [3, "key is not provided"],
  KeyNotFound: [3, "key not found"],
  ValueProvided: [3, "value is provided"],
  LeaseProvided: [3, "lease is provided"],
  TooManyOps: [3, "too many operations in txn request"],
  DuplicateKey: [3, "duplicate key given in txn request"],
  InvalidClientAPIVersion: [3, "invalid client api version"],
  InvalidSortOption: [3, "invalid sort option"],
  Compacted: [11, "mvcc: required revision has been compacted"],
  FutureRev: [11, "mvcc: required revision is a future revision"],
  NoSpace: [8, "mvcc: database space exceeded"],
  LeaseNotFound: [5, "requested lease not found"],
  LeaseExist: [9, "lease already exists"],
  LeaseTTLTooLarge: [11, "too large lease TTL"],
  WatchCanceled: [1, "watch canceled"],
  MemberExist: [9, "member ID already exist"],
  PeerURLExist: [9, "Peer URLs already exists"],
  MemberNotEnoughStarted: [9, "re-configuration failed due to not enough started members"],
  MemberBadURLs: [3, "given member URLs are invalid"],
  MemberNotFound: [5, "member not found"],
  MemberNotLearner: [9, "can only promote a learner member"],
  LearnerNotReady: [9, "can only promote a learner member which is in sync with leader"],
  TooManyLearners: [9, "too many learner members in cluster"],
  ClusterIDMismatch: [9, "cluster ID mismatch"],
  RequestTooLarge: [3, "request is too large"],
  RequestTooManyRequests: [8, "too many requests"],
  RootUserNotExist: [9, "root user does not exist"],
  RootRoleNotExist: [9, "root user does not have root role"],
  UserAlreadyExist: [9, "user name already exists"],
  UserEmpty: [3, "user name is empty"],
  UserNotFound: [9, "user name not found"],
  RoleAlreadyExist: [9, "role name already exists"],
  RoleNotFound: [9, "role name not found"],
  RoleEmpty: [3, "role name is empty"],
  AuthFailed: [3, "authentication failed, invalid user ID or password"],
  PermissionNotGiven: [3, "permission not given"],
  PermissionDenied: [7, "permission denied"],
  RoleNotGranted: [9, "role is not granted to the user"],
  PermissionNotGranted: [9, "permission is not granted to the role"],
  AuthNotEnabled: [9, "authentication is not enabled"],
  InvalidAuthToken: [16, "invalid auth token"],
  InvalidAuthMgmt: [3, "invalid auth management"],
  AuthOldRevision: [3, "revision of auth store is old"],
  NoLeader: [14, "no leader"],
  NotLeader: [9, "not leader"],
  LeaderChanged: [14, "leader changed"],
  NotCapable: [9, "not capable"],
  Stopped: [14, "server stopped"],
  Timeout: [14, "request timed out"],
  TimeoutDueToLeaderFail: [14, "request timed out, possibly due to previous leader failure"],
  TimeoutDueToConnectionLost: [14, "request timed out, possibly due to connection lost"],
  TimeoutWaitAppliedIndex: [14, "request timed out, waiting for the applied index took too long"],
  Unhealthy: [14, "unhealthy cluster"],
  Corrupt: [15, "corrupt cluster"],
  NotSupportedForLearner: [9, "rpc not supported for learner"],
  BadLeaderTransferee: [9, "bad leader transferee"],
  WrongDowngradeVersionFormat: [3, "wrong downgrade target version format"],
  InvalidDowngradeTargetVersion: [3, "invalid downgrade target version"],
  ClusterVersionUnavailable: [9, "cluster version not found during downgrade"],
  DowngradeInProcess: [9, "cluster has a downgrade job in progress"],
  NoInflightDowngrade: [9, "no inflight downgrade job"],
  Canceled: [1, "request canceled"],
  DeadlineExceeded: [4, "context deadline exceeded"],
  // Errors that etcd forgot to translate go out as Unknown, without its prefix.
  NoPasswordUser: [
    2,
    "auth: authentication failed, password was given for no password user",
    "bare",
  ],
  PasswordTooLong: [2, "bcrypt: password length exceeds 72 bytes", "bare"],
  VerifyOnly: [2, "auth: token signing attempted with verify-only key", "bare"],
} as const satisfies Record<string, readonly [status: number, text: string, prefix?: "bare"]>;

/** etcd's name of an error, without its ErrGRPC. */
export type EtcdErrorCode = keyof typeof table;

/** An expected failure of a request, as etcd reports it. */
export class EtcdError extends Error {
  override readonly name = "EtcdError";
  readonly code: EtcdErrorCode;
  /** gRPC status code (grpc/grpc doc/statuscodes.md). */
  readonly status: number;

  constructor(code: EtcdErrorCode) {
    super(textOf(table[code]));
    this.code = code;
    this.status = table[code][0];
  }
}

const textOf = ([, text, prefix]: readonly [number, string, "bare"?]): string =>
  prefix === undefined ? `etcdserver: ${text}` : text;

const byText = new Map<string, EtcdErrorCode>(
  Object.entries(table).map(([code, row]) => [textOf(row), code as EtcdErrorCode]),
);

/** The error that has this text on the wire; undefined when it is none of etcd's. */
export const etcdErrorByText = (text: string): EtcdErrorCode | undefined => byText.get(text);
