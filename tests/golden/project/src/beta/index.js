exports.handler = async () => ({ body: "beta" });
