"""An authority of the installation's own, and certificates of its servers; all as PEM.

It signs what talks to each other inside: brokers and databases. A site with an authority of its
own puts that one's files in their place; nothing here is made anew where a file stands.
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.local.secrets import write_private

_YEARS_OF_AUTHORITY: Final = 10
_DAYS_OF_CERTIFICATE: Final = 397
_BEFORE: Final = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class Authority:
    """Where the authority's key and certificate lie. The key goes into no container."""

    certificate: Path
    key: Path


def authority_in(folder: Path) -> Authority:
    """The authority of an installation, made now where there is none."""
    found = Authority(folder / "ca.crt", folder / "ca.key")
    if not found.certificate.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Qyzmet internal authority")])
        lasts = dt.timedelta(days=365 * _YEARS_OF_AUTHORITY)
        certificate = (
            _begun(name, name, key.public_key(), lasts)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_others=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        write_private(found.key, _text(key))
        write_private(found.certificate, certificate.public_bytes(serialization.Encoding.PEM))
    return found


def reissue(authority: Authority, certificate: bytes) -> tuple[bytes, bytes]:
    """A new certificate and key for the name and the hosts of one that stands."""
    old = x509.load_pem_x509_certificate(certificate)
    (name,) = old.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    hosts = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return issue(authority, str(name.value), [str(each.value) for each in hosts])


def issue(authority: Authority, name: str, hosts: Sequence[str]) -> tuple[bytes, bytes]:
    """A new certificate and its key, for a server that is also a client of its like."""
    signer = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    signing = serialization.load_pem_private_key(authority.key.read_bytes(), None)
    if not isinstance(signing, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{authority.key}: a key on an elliptic curve is needed")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    lasts = dt.timedelta(days=_DAYS_OF_CERTIFICATE)
    certificate = (
        _begun(subject, signer.subject, key.public_key(), lasts)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_others=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(x509.SubjectAlternativeName([_host(each) for each in hosts]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
            critical=False,
        )
        .sign(signing, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), _text(key)


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    lasts: dt.timedelta,
) -> x509.CertificateBuilder:
    begins = dt.datetime.now(dt.UTC) - _BEFORE
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + lasts)
    )


def _usage(*, signs_others: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_others,
        crl_sign=signs_others,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _text(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
