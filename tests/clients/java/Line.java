// What the programs here have in common: flags as `--name value`, results as one JSON object per line. Not a client.

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;

final class Line {
    private final StringBuilder text = new StringBuilder("{");

    /** A line of pairs: name, value, name, value… Numbers and booleans as they are, all else as strings. */
    static void print(Object... pairs) {
        System.out.println(of(pairs).text.append('}'));
    }

    private static Line of(Object... pairs) {
        Line line = new Line();
        for (int i = 0; i < pairs.length; i += 2) {
            if (i > 0) {
                line.text.append(',');
            }
            line.quote(pairs[i]).text.append(':');
            Object value = pairs[i + 1];
            if (value == null || value instanceof Number || value instanceof Boolean) {
                line.text.append(value);
            } else {
                line.quote(value);
            }
        }
        return line;
    }

    private Line quote(Object value) {
        text.append('"');
        for (char c : String.valueOf(value).toCharArray()) {
            switch (c) {
                case '"', '\\' -> text.append('\\').append(c);
                default -> {
                    if (c < ' ') {
                        text.append(String.format("\\u%04x", (int) c));
                    } else {
                        text.append(c);
                    }
                }
            }
        }
        text.append('"');
        return this;
    }

    /** The simple class name of what a future, a callback or a call ended with, without its wrappers. */
    static Throwable cause(Throwable error) {
        while (error instanceof java.util.concurrent.ExecutionException && error.getCause() != null) {
            error = error.getCause();
        }
        return error;
    }

    /** The flags; `--set key=value` may come several times and goes to the client's configuration. */
    static final class Flags {
        private final Map<String, String> values = new HashMap<>();
        private final List<String> settings = new ArrayList<>();

        Flags(String[] args) {
            for (int i = 0; i + 1 < args.length; i += 2) {
                if (args[i].equals("--set")) {
                    settings.add(args[i + 1]);
                } else {
                    values.put(args[i], args[i + 1]);
                }
            }
        }

        String text(String name) {
            String value = values.get(name);
            if (value == null) {
                System.err.println(name + " is missing");
                System.exit(2);
            }
            return value;
        }

        String text(String name, String otherwise) {
            return values.getOrDefault(name, otherwise);
        }

        int number(String name, int otherwise) {
            return Integer.parseInt(values.getOrDefault(name, String.valueOf(otherwise)));
        }

        /** bootstrap.servers, then the given pairs, then each `--set`. */
        Properties config(String... pairs) {
            Properties config = new Properties();
            config.put("bootstrap.servers", text("--bootstrap-server"));
            for (int i = 0; i < pairs.length; i += 2) {
                config.put(pairs[i], pairs[i + 1]);
            }
            for (String setting : settings) {
                int equals = setting.indexOf('=');
                config.put(setting.substring(0, equals), setting.substring(equals + 1));
            }
            return config;
        }
    }

    static final String STRING_SERIALIZER = "org.apache.kafka.common.serialization.StringSerializer";
    static final String BYTES_SERIALIZER = "org.apache.kafka.common.serialization.ByteArraySerializer";
    static final String STRING_DESERIALIZER = "org.apache.kafka.common.serialization.StringDeserializer";
    static final String BYTES_DESERIALIZER = "org.apache.kafka.common.serialization.ByteArrayDeserializer";
}
