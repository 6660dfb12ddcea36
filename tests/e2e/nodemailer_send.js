// Sends with nodemailer what standard input says, in JSON: {"transport": options, "mails": [options, ...]}.
// Prints a JSON list with an object for each mail: {accepted, rejected, response}, or {code, responseCode, command}
// of the error. All mails are given to the transport at once.
'use strict';

const fs = require('fs');
const nodemailer = require('nodemailer');

const { transport: options, mails } = JSON.parse(fs.readFileSync(0, 'utf8'));
const transport = nodemailer.createTransport(options);

// What is no text comes as {"base64": ...}.
const bytes = (value) => (value && value.base64 !== undefined ? Buffer.from(value.base64, 'base64') : value);

async function send(mail) {
  try {
    const attachments = (mail.attachments || []).map((a) => ({ ...a, content: bytes(a.content) }));
    const { accepted, rejected, response } =
      await transport.sendMail({ ...mail, attachments, raw: bytes(mail.raw) });
    return { accepted, rejected, response };
  } catch ({ code, responseCode, command, message }) {
    return { code, responseCode, command, message };
  }
}

Promise.all(mails.map(send)).then((results) => {
  transport.close();
  console.log(JSON.stringify(results));
});
