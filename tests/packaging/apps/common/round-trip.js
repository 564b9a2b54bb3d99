/** Produces a record and returns the value that a consumer group then gets. */
export async function roundTrip(kafka) {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "greetings", numPartitions: 1 }] });
  await admin.disconnect();

  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: "greetings", messages: [{ key: "en", value: "hello" }] });
  await producer.disconnect();

  const consumer = kafka.consumer({ groupId: "readers" });
  await consumer.connect();
  await consumer.subscribe({ topic: "greetings", fromBeginning: true });
  const value = await new Promise((resolve, reject) => {
    const eachMessage = async ({ message }) => resolve(message.value.toString());
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect();
  await kafka.close();
  return value;
}
