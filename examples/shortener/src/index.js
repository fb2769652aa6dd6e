const crypto = require("node:crypto");

// Makes a short, stable key for an address.
module.exports.handler = async function (event) {
  const address = (event.queryStringParameters || {}).url;
  if (!address) return { statusCode: 400, body: "give ?url=" };
  const digest = crypto.createHash("sha256").update(address).digest();
  const key = Array.from(digest.subarray(0, 8), (byte) => ALPHABET[byte % ALPHABET.length]).join("");
  return { statusCode: 200, body: JSON.stringify({ key }) };
};
