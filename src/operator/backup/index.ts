export { BackupController, BackupScheduleController } from "./controllers.ts";
