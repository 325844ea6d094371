// What `@mcap/core`, the reader of Foxglove, finds in a recording: one value a line.
//
// The file is read twice: by its index, as one that is whole is opened, and as a stream, as one
// that was cut off can be; every checksum is compared.

import { createRequire } from "node:module";
import { open, readFile } from "node:fs/promises";

const require = createRequire(process.env.SIGIL_MODULES);
const { McapIndexedReader, McapStreamReader } = require("@mcap/core");
const { decompress } = require("fzstd");

const decompressHandlers = {
  zstd: (data, size) => decompress(data, new Uint8Array(Number(size))),
};
const text = new TextDecoder();

/** Print a value. */
const print = (...values) => console.log(JSON.stringify(values));

/** A file, as the reader wants it. */
const readableOf = async (path) => {
  const file = await open(path);
  return {
    size: async () => BigInt((await file.stat()).size),
    read: async (offset, size) => {
      const data = new Uint8Array(Number(size));
      await file.read(data, 0, data.length, Number(offset));
      return data;
    },
  };
};

/** Print what is found by the index. */
const byIndex = async (path) => {
  const readable = await readableOf(path);
  const reader = await McapIndexedReader.Initialize({ readable, decompressHandlers });
  for (const channel of reader.channelsById.values()) {
    const schema = reader.schemasById.get(channel.schemaId);
    print("channel", channel.topic, channel.messageEncoding, schema?.encoding ?? "");
  }
  const counts = [...reader.statistics.channelMessageCounts.values()].map(Number);
  print("counted", counts.reduce((sum, count) => sum + count, 0));
  for await (const message of reader.readMessages()) {
    const channel = reader.channelsById.get(message.channelId);
    const isJson = channel.messageEncoding === "json";
    print("message", channel.topic, isJson ? JSON.parse(text.decode(message.data)) : null);
  }
  for await (const { name, metadata } of reader.readMetadata()) {
    print("metadata", name, Object.fromEntries(metadata));
  }
  for await (const { name, mediaType, data } of reader.readAttachments()) {
    print("attachment", name, mediaType, decompress(data).length);
  }
};

/** Print which records there are when it is read from the beginning. */
const asStream = async (path) => {
  const reader = new McapStreamReader({ decompressHandlers, validateCrcs: true });
  reader.append(await readFile(path));
  const counts = {};
  for (let record = reader.nextRecord(); record; record = reader.nextRecord()) {
    counts[record.type] = (counts[record.type] ?? 0) + 1;
  }
  print("stream", counts);
};

await byIndex(process.argv[2]);
await asStream(process.argv[2]);
