export { RestoreController } from "./controller.ts";
