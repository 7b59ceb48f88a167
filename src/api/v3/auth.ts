/** etcdserverpb.Auth. Source: etcd server/etcdserver/api/v3rpc/auth.go, v3_server.go. */
import type { User } from "../../core/auth/index.ts";
import { assert } from "../../lib/assert.ts";
import { EtcdError, rpcpb } from "../../proto/index.ts";
import type { MessageBytes, Method, UnaryCall } from "../../rpc/index.ts";
import { type AuthApplied, Passwords, permissionToProto, type Reply } from "../../server/index.ts";
import { identify, requireRootOfCluster } from "./access.ts";
import { type ApiContext, currentHeader, unary } from "./context.ts";

type Header = rpcpb.ResponseHeader;
type Proposed = Partial<rpcpb.InternalRaftRequest>;

export function authMethods(ctx: ApiContext): [string, Method][] {
  const passwords = ctx.passwords ?? new Passwords();
  const named: [string, Method][] = [
    ...storeMethods(ctx),
    ["Authenticate", authenticateMethod(ctx, passwords)],
    ...userMethods(ctx, passwords),
    ...roleMethods(ctx),
  ];
  return named.map(([name, method]) => [`/etcdserverpb.Auth/${name}`, method]);
}

/** A method whose request goes through the log as it is; apply asks who may. */
function proposal<Q>(
  ctx: ApiContext,
  decode: (bytes: Uint8Array) => Q,
  propose: (request: Q) => Proposed,
  answer: (applied: AuthApplied, header: Header) => MessageBytes,
): Method {
  return unary(
    ctx,
    decode,
    (request, reply, _bytes, call) => submit(ctx, call, propose(request), answer, reply),
    { access: "own" },
  );
}

function submit(
  ctx: ApiContext,
  call: UnaryCall,
  request: Proposed,
  answer: (applied: AuthApplied, header: Header) => MessageBytes,
  reply: Reply<MessageBytes>,
): void {
  identify(ctx, call, reply, (who) => {
    ctx.member.proposals.auth(
      request,
      (error, applied) => {
        if (applied === undefined) reply(error);
        else reply(undefined, answer(applied, currentHeader(ctx)));
      },
      who,
    );
  });
}

/** An answer that is a header alone. */
const bare =
  (encode: (response: { header: Header }) => Uint8Array) =>
  (_applied: AuthApplied, header: Header): Uint8Array =>
    encode({ header });

function namesOf(applied: AuthApplied): string[] {
  assert(applied.kind === "authNames", `names were asked for, ${applied.kind} came`);
  return [...applied.names];
}

const storeMethods = (ctx: ApiContext): [string, Method][] => [
  [
    "AuthEnable",
    proposal(
      ctx,
      rpcpb.decodeAuthEnableRequest,
      (authEnable) => ({ authEnable }),
      bare(rpcpb.encodeAuthEnableResponse),
    ),
  ],
  [
    "AuthDisable",
    proposal(
      ctx,
      rpcpb.decodeAuthDisableRequest,
      (authDisable) => ({ authDisable }),
      bare(rpcpb.encodeAuthDisableResponse),
    ),
  ],
  [
    "AuthStatus",
    proposal(
      ctx,
      rpcpb.decodeAuthStatusRequest,
      (authStatus) => ({ authStatus }),
      (applied, header) => {
        assert(applied.kind === "authStatus", `a status was asked for, ${applied.kind} came`);
        const { enabled, revision: authRevision } = applied;
        return rpcpb.encodeAuthStatusResponse({ header, enabled, authRevision });
      },
    ),
  ],
];

/**
 * The password is checked here and only then a token asked of the log, without the password; when
 * users changed in between, both are done again.
 */
const authenticateMethod = (ctx: ApiContext, passwords: Passwords): Method =>
  unary(
    ctx,
    rpcpb.decodeAuthenticateRequest,
    (request, reply, _bytes, call) => {
      ctx.member.linearize((error) => {
        if (error !== undefined) reply(error);
        else authenticate(ctx, passwords, request, call, reply);
      });
    },
    { access: "own" },
  );

function authenticate(
  ctx: ApiContext,
  passwords: Passwords,
  request: rpcpb.AuthenticateRequest,
  call: UnaryCall,
  reply: Reply<MessageBytes>,
): void {
  const { store, tokens } = ctx.member.state.auth;
  const { name, password } = request;
  const user = store.user(name);
  const problem = loginProblem(store.enabled, user);
  if (problem !== undefined || user === undefined) {
    refuseLogin(ctx, name, problem ?? "AuthFailed", reply);
    return;
  }
  const checkedAt = store.revision;
  const proceed = (isRight: boolean): void => {
    if (call.ended) return;
    if (!isRight) {
      refuseLogin(ctx, name, "AuthFailed", reply);
      return;
    }
    const proposed = { authenticate: { name, password: "", simpleToken: tokens.prefix() } };
    ctx.member.proposals.auth(proposed, (error, applied) => {
      if (applied === undefined) reply(error);
      else if (store.revision !== checkedAt) authenticate(ctx, passwords, request, call, reply);
      else {
        assert(applied.kind === "authToken", `a token was asked for, ${applied.kind} came`);
        const answer = { header: currentHeader(ctx), token: applied.token };
        reply(undefined, rpcpb.encodeAuthenticateResponse(answer));
      }
    });
  };
  passwords.verify(password, user.password, () => !call.ended).then(proceed, reply);
}

type LoginProblem = "AuthFailed" | "NoPasswordUser" | "AuthNotEnabled";

/** Why a password need not even be looked at. */
function loginProblem(enabled: boolean, user: User | undefined): LoginProblem | undefined {
  if (!enabled) return "AuthNotEnabled";
  if (user === undefined) return "AuthFailed";
  return user.options?.noPassword === true ? "NoPasswordUser" : undefined;
}

function refuseLogin(
  ctx: ApiContext,
  name: string,
  problem: LoginProblem,
  reply: Reply<MessageBytes>,
): void {
  if (problem !== "AuthNotEnabled") {
    ctx.logger.warn("invalid authentication was requested", { user: name });
  }
  reply(new EtcdError(problem));
}

const userMethods = (ctx: ApiContext, passwords: Passwords): [string, Method][] => [
  ["UserAdd", userAddMethod(ctx, passwords)],
  ["UserChangePassword", changePasswordMethod(ctx, passwords)],
  [
    "UserGet",
    proposal(
      ctx,
      rpcpb.decodeAuthUserGetRequest,
      (authUserGet) => ({ authUserGet }),
      (applied, header) => rpcpb.encodeAuthUserGetResponse({ header, roles: namesOf(applied) }),
    ),
  ],
  [
    "UserList",
    proposal(
      ctx,
      rpcpb.decodeAuthUserListRequest,
      (authUserList) => ({ authUserList }),
      (applied, header) => rpcpb.encodeAuthUserListResponse({ header, users: namesOf(applied) }),
    ),
  ],
  [
    "UserDelete",
    proposal(
      ctx,
      rpcpb.decodeAuthUserDeleteRequest,
      (authUserDelete) => ({ authUserDelete }),
      bare(rpcpb.encodeAuthUserDeleteResponse),
    ),
  ],
  [
    "UserGrantRole",
    proposal(
      ctx,
      rpcpb.decodeAuthUserGrantRoleRequest,
      (authUserGrantRole) => ({ authUserGrantRole }),
      bare(rpcpb.encodeAuthUserGrantRoleResponse),
    ),
  ],
  [
    "UserRevokeRole",
    proposal(
      ctx,
      rpcpb.decodeAuthUserRevokeRoleRequest,
      (authUserRevokeRole) => ({ authUserRevokeRole }),
      bare(rpcpb.encodeAuthUserRevokeRoleResponse),
    ),
  ],
];

/** The password is replaced by its hash before the request goes into the log. */
const userAddMethod = (ctx: ApiContext, passwords: Passwords): Method =>
  unary(
    ctx,
    rpcpb.decodeAuthUserAddRequest,
    (request, reply, _bytes, call) => {
      const answer = bare(rpcpb.encodeAuthUserAddResponse);
      const add = (authUserAdd: rpcpb.AuthUserAddRequest): void =>
        submit(ctx, call, { authUserAdd }, answer, reply);
      if (request.options?.noPassword === true) add(request);
      else {
        hashed(ctx, passwords, request.password, call, reply, (hashedPassword) =>
          add({ ...request, password: "", hashedPassword }),
        );
      }
    },
    { access: "own" },
  );

const changePasswordMethod = (ctx: ApiContext, passwords: Passwords): Method =>
  unary(
    ctx,
    rpcpb.decodeAuthUserChangePasswordRequest,
    (request, reply, _bytes, call) => {
      const answer = bare(rpcpb.encodeAuthUserChangePasswordResponse);
      const change = (authUserChangePassword: rpcpb.AuthUserChangePasswordRequest): void =>
        submit(ctx, call, { authUserChangePassword }, answer, reply);
      if (request.password === "") change(request);
      else {
        hashed(ctx, passwords, request.password, call, reply, (hashedPassword) =>
          change({ ...request, password: "", hashedPassword }),
        );
      }
    },
    { access: "own" },
  );

/** bcrypt's hash of a password in base64, for root alone: it is work. */
function hashed(
  ctx: ApiContext,
  passwords: Passwords,
  password: string,
  call: UnaryCall,
  reply: Reply<MessageBytes>,
  then: (hashedPassword: string) => void,
): void {
  if (passwords.isTooLong(password)) {
    reply(new EtcdError("PasswordTooLong"));
    return;
  }
  requireRootOfCluster(ctx, call, reply, () => {
    passwords.hash(password).then((hash) => then(Buffer.from(hash).toString("base64")), reply);
  });
}

const roleMethods = (ctx: ApiContext): [string, Method][] => [
  [
    "RoleAdd",
    proposal(
      ctx,
      rpcpb.decodeAuthRoleAddRequest,
      (authRoleAdd) => ({ authRoleAdd }),
      bare(rpcpb.encodeAuthRoleAddResponse),
    ),
  ],
  [
    "RoleGet",
    proposal(
      ctx,
      rpcpb.decodeAuthRoleGetRequest,
      (authRoleGet) => ({ authRoleGet }),
      (applied, header) => {
        assert(applied.kind === "authPermissions", `a role was asked for, ${applied.kind} came`);
        const perm = applied.permissions.map(permissionToProto);
        return rpcpb.encodeAuthRoleGetResponse({ header, perm });
      },
    ),
  ],
  [
    "RoleList",
    proposal(
      ctx,
      rpcpb.decodeAuthRoleListRequest,
      (authRoleList) => ({ authRoleList }),
      (applied, header) => rpcpb.encodeAuthRoleListResponse({ header, roles: namesOf(applied) }),
    ),
  ],
  [
    "RoleDelete",
    proposal(
      ctx,
      rpcpb.decodeAuthRoleDeleteRequest,
      (authRoleDelete) => ({ authRoleDelete }),
      bare(rpcpb.encodeAuthRoleDeleteResponse),
    ),
  ],
  [
    "RoleGrantPermission",
    proposal(
      ctx,
      rpcpb.decodeAuthRoleGrantPermissionRequest,
      (authRoleGrantPermission) => ({ authRoleGrantPermission }),
      bare(rpcpb.encodeAuthRoleGrantPermissionResponse),
    ),
  ],
  [
    "RoleRevokePermission",
    proposal(
      ctx,
      rpcpb.decodeAuthRoleRevokePermissionRequest,
      (authRoleRevokePermission) => ({ authRoleRevokePermission }),
      bare(rpcpb.encodeAuthRoleRevokePermissionResponse),
    ),
  ],
];
