// Sends records in transactions and commits each, or aborts every second one. Against a cluster with
// transaction.version 2 a client of Kafka 4 speaks TV2; a client of 3.9 speaks TV1 with any cluster.
// --bootstrap-server HOST:PORT,… --topic T --transactional-id ID [--records 100] [--per-transaction 50]
// [--value-bytes 100] [--abort-every-second true|false] [--set key=value]…

import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;

public final class TransactionalProducer {
    public static void main(String[] args) throws Exception {
        Line.Flags flags = new Line.Flags(args);
        Properties config = flags.config(
                "transactional.id", flags.text("--transactional-id"), "delivery.timeout.ms", "30000", "request.timeout.ms", "10000",
                "key.serializer", Line.STRING_SERIALIZER, "value.serializer", Line.BYTES_SERIALIZER);
        int records = flags.number("--records", 100);
        int perTransaction = flags.number("--per-transaction", 50);
        boolean abortEverySecond = Boolean.parseBoolean(flags.text("--abort-every-second", "false"));
        int committed = 0;
        int aborted = 0;
        String error = null;
        try (KafkaProducer<String, byte[]> producer = new KafkaProducer<>(config)) {
            Sending sending = new Sending(producer, flags.text("--topic"), -1);
            try {
                producer.initTransactions();
                for (int sent = 0, transaction = 1; sent < records; transaction++) {
                    producer.beginTransaction();
                    for (int i = 0; i < perTransaction && sent < records; i++, sent++) {
                        sending.send(flags.number("--value-bytes", 100));
                    }
                    if (abortEverySecond && transaction % 2 == 0) {
                        producer.flush();
                        producer.abortTransaction();
                        aborted++;
                    } else {
                        producer.commitTransaction();
                        committed++;
                    }
                }
            } catch (RuntimeException e) {
                error = e.getClass().getSimpleName();
                Line.print("error", error, "message", e.getMessage());
            }
            sending.report();
            sending.done("committed", committed, "aborted", aborted, "error", error);
        }
    }
}
