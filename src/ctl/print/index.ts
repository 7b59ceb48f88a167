import type { Invocation } from "../command.ts";
import { CommandError, exitCode } from "../exit.ts";
import { FieldsPrinter } from "./fields.ts";
import { JsonPrinter } from "./json.ts";
import type { Printer } from "./printer.ts";
import { ProtobufPrinter } from "./protobuf.ts";
import { SimplePrinter } from "./simple.ts";
import { TablePrinter } from "./table.ts";

/** The printer that --write-out names. Throws CommandError for one we do not have. */
export function printerOf({ flags, out }: Invocation): Printer {
  const format = flags.string("write-out");
  switch (format) {
    case "simple":
      return new SimplePrinter(out, flags.bool("hex"));
    case "json":
      return new JsonPrinter(out, flags.bool("hex"));
    case "table":
      return new TablePrinter(out);
    case "fields":
      return new FieldsPrinter(out, flags.bool("hex"));
    case "protobuf":
      return new ProtobufPrinter(out);
    default:
      throw new CommandError(exitCode.badFeature, "unsupported output format");
  }
}

export type { Printer } from "./printer.ts";
