// A Kerberos KDC of one realm, Apache Kerby's, on 127.0.0.1 by TCP; it runs until it is killed. It writes krb5.conf and the keytabs,
// and a line once it serves. A principal that is named twice gets another key the second time; without a keytab it is taken out.
// DIRECTORY PORT REALM [PRINCIPAL=KEYTAB | PRINCIPAL=]…

import java.io.File;
import java.util.HashSet;
import java.util.Set;
import org.apache.kerby.kerberos.kerb.server.SimpleKdcServer;

public final class Kdc {
    public static void main(String[] args) throws Exception {
        File directory = new File(args[0]);
        SimpleKdcServer kdc = new SimpleKdcServer();
        kdc.setWorkDir(directory);
        kdc.setKdcHost("127.0.0.1");
        kdc.setKdcTcpPort(Integer.parseInt(args[1]));
        kdc.setKdcRealm(args[2]);
        kdc.setAllowUdp(false);
        kdc.init();
        Set<String> known = new HashSet<>();
        for (int i = 3; i < args.length; i++) {
            String[] pair = args[i].split("=", 2);
            if (known.remove(pair[0])) {
                kdc.deletePrincipal(pair[0]);
            }
            if (!pair[1].isEmpty()) {
                kdc.createPrincipal(pair[0]);
                kdc.exportPrincipal(pair[0], new File(directory, pair[1]));
                known.add(pair[0]);
            }
        }
        kdc.start();
        System.out.println("serves");
    }
}
