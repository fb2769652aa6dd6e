exports.handler = async () => ({ body: "built" });
