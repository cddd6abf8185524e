// Run once, when the database folder is still empty: the user that knockoff itself is.
// One database per proposal (p001234), so its rights cannot name them in advance.
db.getSiblingDB("admin").createUser({
  user: "knockoff",
  pwd: process.env.KNOCKOFF_PASSWORD,
  roles: ["readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor"],
});
