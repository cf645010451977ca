// Reads an AsyncAPI document from standard input with the official parser; prints what is wrong with it and
// which properties its messages have, as JSON. The argument is the folder that `tests/contract/parser` has filled.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.argv[2]}/`);
const { Parser } = require("@asyncapi/parser");
const { AvroSchemaParser } = require("@asyncapi/avro-schema-parser");

const parser = new Parser({ schemaParsers: [AvroSchemaParser()] });
const { document, diagnostics } = await parser.parse(readFileSync(0, "utf8"));
const severities = ["error", "warning", "information", "hint"];
const properties = (schema) => Object.keys(schema?.properties() ?? {});
const messages = document?.allMessages().all() ?? [];
console.log(
  JSON.stringify({
    faults: diagnostics
      .map(({ severity, path, message }) => [severities[severity], path.join("."), message])
      .filter(([severity]) => ["error", "warning"].includes(severity)),
    messages: Object.fromEntries(
      messages.map((one) => [
        one.name(),
        { headers: properties(one.headers()), payload: properties(one.payload()) },
      ]),
    ),
  }),
);
