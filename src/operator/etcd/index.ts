export type {
  ChangeResult,
  EtcdAdmin,
  EtcdMember,
  EtcdMemberList,
  EtcdStatus,
  LogPosition,
  MemberTls,
} from "./admin.ts";
export { ClientAdmin } from "./client-admin.ts";
