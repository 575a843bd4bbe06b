// A client from before Kafka 1.0: SaslHandshake version 0, then the mechanism's tokens without Kafka's headers, then one
// Metadata request. Kafka's own SCRAM client makes the tokens.
// --bootstrap-server HOST:PORT --user U --password P [--mechanism SCRAM-SHA-256]

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.NameCallback;
import javax.security.auth.callback.PasswordCallback;
import javax.security.sasl.SaslClient;
import org.apache.kafka.common.security.scram.internals.ScramMechanism;
import org.apache.kafka.common.security.scram.internals.ScramSaslClient;

public final class RawTokens {
    public static void main(String[] args) throws Exception {
        Line.Flags flags = new Line.Flags(args);
        String mechanism = flags.text("--mechanism", "SCRAM-SHA-256");
        String[] address = flags.text("--bootstrap-server").split(":");
        SaslClient client = new ScramSaslClient(ScramMechanism.forMechanismName(mechanism), callbacks -> {
            for (Callback callback : callbacks) {
                if (callback instanceof NameCallback name) {
                    name.setName(flags.text("--user"));
                } else if (callback instanceof PasswordCallback password) {
                    password.setPassword(flags.text("--password").toCharArray());
                }
            }
        });
        try (Socket socket = new Socket(address[0], Integer.parseInt(address[1]))) {
            socket.setSoTimeout(15_000);
            DataInputStream in = new DataInputStream(socket.getInputStream());
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            byte[] name = mechanism.getBytes(StandardCharsets.UTF_8);
            out.writeInt(10 + 2 + name.length);
            request(out, 17, 0, 1);
            out.writeShort(name.length);
            out.write(name);
            byte[] handshake = frame(in);
            int error = (handshake[4] << 8) | handshake[5];
            int tokens = 0;
            byte[] token = client.evaluateChallenge(new byte[0]);
            while (token != null && error == 0) {
                out.writeInt(token.length);
                out.write(token);
                tokens++;
                byte[] challenge = frame(in);
                token = client.isComplete() ? null : client.evaluateChallenge(challenge);
                if (client.isComplete()) {
                    token = null;
                }
            }
            out.writeInt(10 + 4);
            request(out, 3, 1, 2);
            out.writeInt(0);
            byte[] metadata = frame(in);
            Line.print("done", client.isComplete() && metadata[3] == 2, "error", error, "tokens", tokens);
        }
    }

    /** Key, version, correlation id and no client id. */
    private static void request(DataOutputStream out, int key, int version, int correlation) throws Exception {
        out.writeShort(key);
        out.writeShort(version);
        out.writeInt(correlation);
        out.writeShort(-1);
    }

    private static byte[] frame(DataInputStream in) throws Exception {
        byte[] frame = new byte[in.readInt()];
        in.readFully(frame);
        return frame;
    }
}
