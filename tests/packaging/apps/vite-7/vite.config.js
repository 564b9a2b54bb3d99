export default { optimizeDeps: { exclude: ["tablog"] } };
