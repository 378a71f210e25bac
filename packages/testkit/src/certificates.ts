// oxlint-disable-next-line import/no-unassigned-import -- a polyfill that the library wants loaded first
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

/** A certificate and its key, in PEM. */
export type Certificate = { cert: string; key: string };

/** A certificate authority: its own certificate, and what signs others. */
export type Authority = {
  /** For `NATS_CA`: whom clients trust. */
  readonly cert: string;
  /** Makes the certificate of a server that is reached under these names and addresses. */
  issue(names: readonly string[]): Promise<Certificate>;
};

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const dayMs = 86_400_000;

/** Makes a certificate authority that lives in memory only; it and all that it issues are good for `days`. */
export async function makeAuthority(name: string, { days = 30 } = {}): Promise<Authority> {
  x509.cryptoProvider.set(webcrypto);
  const keys = await newKeys();
  const validity = { notBefore: new Date(Date.now() - dayMs), notAfter: new Date(Date.now() + days * dayMs) };
  const own = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    serialNumber: serial(),
    ...validity,
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    cert: `${own.toString("pem")}\n`,
    async issue(names) {
      const server = await newKeys();
      const certificate = await x509.X509CertificateGenerator.create({
        subject: `CN=${names[0] ?? name}`,
        issuer: own.subject,
        serialNumber: serial(),
        ...validity,
        publicKey: server.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          // Routes of a cluster are clients of each other.
          new x509.ExtendedKeyUsageExtension([
            x509.ExtendedKeyUsage.serverAuth,
            x509.ExtendedKeyUsage.clientAuth,
          ]),
          new x509.SubjectAlternativeNameExtension(names.map(nameOf)),
          await x509.AuthorityKeyIdentifierExtension.create(own),
        ],
      });
      const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", server.privateKey));
      return {
        cert: `${certificate.toString("pem")}\n`,
        key: x509.PemConverter.encode(pkcs8, "PRIVATE KEY"),
      };
    },
  };
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

function serial(): string {
  // A leading zero bit: a serial number is positive.
  return `4${Buffer.from(webcrypto.getRandomValues(new Uint8Array(16)))
    .toString("hex")
    .slice(1)}`;
}

function nameOf(name: string): { type: "ip" | "dns"; value: string } {
  return { type: /^[0-9.]+$|:/.test(name) ? "ip" : "dns", value: name };
}
