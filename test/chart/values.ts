/** The smallest set of values that an install needs. */
export const required = {
  publicUrl: "https://sms.example.com",
  database: { existingSecret: "sms-database" },
};
