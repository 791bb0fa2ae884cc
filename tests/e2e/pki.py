"""Certificate authorities and what they issue, for tests of TLS."""

import datetime
import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
PEM = serialization.Encoding.PEM


def now():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def days(n):
    return datetime.timedelta(days=n)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def san(text):
    """"dns:a", "uri:b", "email:c", "ip:d" as a general name."""
    kind, _, value = text.partition(":")
    if kind == "ip":
        import ipaddress

        return x509.IPAddress(ipaddress.ip_address(value))
    return {"dns": x509.DNSName, "uri": x509.UniformResourceIdentifier, "email": x509.RFC822Name}[kind](value)


class Certificate:
    """A certificate with its key, and whom it was issued by (None: itself)."""

    def __init__(self, cert, key, chain=()):
        self.cert, self.key, self.chain = cert, key, list(chain)

    @property
    def pem(self):
        return b"".join(c.public_bytes(PEM) for c in [self.cert, *self.chain])

    @property
    def der(self):
        return self.cert.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self):
        return self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    @property
    def spki(self):
        import hashlib

        return hashlib.sha256(self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()

    def save(self, directory, stem):
        """stem.crt and stem.key there, put in place by rename; their paths."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        cert, key = directory / f"{stem}.crt", directory / f"{stem}.key"
        for path, data, mode in ((key, self.key_pem, 0o600), (cert, self.pem, 0o644)):
            new = path.with_name("new-" + path.name)
            new.write_bytes(data)
            new.chmod(mode)
            os.replace(new, path)
        return str(cert), str(key)


class CA(Certificate):
    def __init__(self, common_name="Test CA", parent=None):
        key = ec.generate_private_key(ec.SECP256R1())
        signer = parent or self
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(common_name))
            .issuer_name(parent.cert.subject if parent else name(common_name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now() - days(10))
            .not_valid_after(now() + days(100))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .add_extension(x509.KeyUsage(True, False, False, False, False, True, True, False, False), True)
        )
        cert = builder.sign(parent.key if parent else key, hashes.SHA256())
        super().__init__(cert, key, [signer.cert, *signer.chain] if parent and parent.chain else [])
        self.parent, self.revoked = parent, []

    def issue(self, *names, usage=(CLIENT,), start=-1, end=30, rsa_bits=None, ca=False, common_name="machine"):
        """start, end: days from now. usage None: no extended key usage."""
        key = rsa.generate_private_key(65537, rsa_bits) if rsa_bits else ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(common_name))
            .issuer_name(self.cert.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now() + days(start))
            .not_valid_after(now() + days(end))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), True)
        )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(usage)), False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([san(n) for n in names]), False)
        chain = [self.cert] if self.parent else []
        return Certificate(builder.sign(self.key, hashes.SHA256()), key, chain)

    def crl(self, *revoked, start=-1, end=30):
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.cert.subject)
        builder = builder.last_update(now() + days(start)).next_update(now() + days(end))
        for c in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(c.cert.serial_number).revocation_date(now() - days(1)).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(PEM)


def client_context(ca_file, certificate=None):
    """certificate: (cert file, key file)."""
    context = ssl.create_default_context(cafile=str(ca_file))
    if certificate:
        context.set_ciphers("DEFAULT@SECLEVEL=0")  # weak ones are for the gate to refuse
        context.load_cert_chain(*certificate)
    return context
