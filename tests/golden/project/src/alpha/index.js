exports.handler = async () => ({ body: "alpha" });
