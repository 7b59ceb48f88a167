/** The etcd release whose behaviour we have: tools decide by it what they may ask for. */
export const etcdVersion = "3.7.3";
export const apiVersion = "3.7";
