/** Our own version; the one clients decide by is etcd's (serverVersion). package.json has the same. */
export const quoinVersion = "0.1.0";
