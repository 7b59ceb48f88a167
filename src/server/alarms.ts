/** The alarms that are raised; etcd server/etcdserver/api/v3alarm. */
import type { MemberId } from "../core/types.ts";
import { rpcpb } from "../proto/index.ts";

export class Alarms {
  readonly #active = new Map<string, rpcpb.AlarmMember>();

  /** All alarms of a type; NONE means every type. In order of type, then member. */
  list(type: rpcpb.AlarmType = rpcpb.AlarmType.NONE): rpcpb.AlarmMember[] {
    return [...this.#active.values()]
      .filter((a) => type === rpcpb.AlarmType.NONE || a.alarm === type)
      .sort((a, b) => a.alarm - b.alarm || (a.memberId < b.memberId ? -1 : 1));
  }

  get none(): boolean {
    return this.#active.size === 0;
  }

  has(type: rpcpb.AlarmType): boolean {
    return this.list(type).length > 0;
  }

  /** Raising one that is raised changes nothing. */
  activate(alarm: rpcpb.AlarmMember): void {
    this.#active.set(keyOf(alarm.memberId, alarm.alarm), alarm);
  }

  /** False when it was not raised. */
  deactivate(alarm: rpcpb.AlarmMember): boolean {
    return this.#active.delete(keyOf(alarm.memberId, alarm.alarm));
  }

  reset(): void {
    this.#active.clear();
  }
}

const keyOf = (id: MemberId, type: rpcpb.AlarmType): string => `${type}/${id}`;
