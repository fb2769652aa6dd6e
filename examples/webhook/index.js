const crypto = require("node:crypto");

// Checks the signature of a webhook: HMAC-SHA256 of the body, in hex.
module.exports.handler = async function (event) {
  const secret = process.env.WEBHOOK_SECRET || "";
  const given = Buffer.from((event.headers || {})["X-Signature"] || "", "hex");
  const wanted = crypto.createHmac("sha256", secret).update(event.body || "").digest();
  const valid = given.length === wanted.length && crypto.timingSafeEqual(given, wanted);
  return { statusCode: valid ? 200 : 401, body: JSON.stringify({ valid }) };
};
