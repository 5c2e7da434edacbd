"""A certificate that is renewed is one for the same hosts, in the same file."""

import stat
from pathlib import Path

from cryptography import x509

from deploy.site.certificates import authority_in, issue, reissue
from deploy.site.renewing import overwrite


def test_a_new_certificate_is_for_the_name_and_the_hosts_of_the_old_one(tmp_path: Path) -> None:
    authority = authority_in(tmp_path)
    old, old_key = issue(authority, "edge", ["edge", "localhost", "127.0.0.1"])
    new, new_key = reissue(authority, old)
    before, after = x509.load_pem_x509_certificate(old), x509.load_pem_x509_certificate(new)
    assert new_key != old_key
    assert after.serial_number != before.serial_number
    assert after.subject == before.subject
    hosts = [
        each.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        for each in (before, after)
    ]
    assert hosts[0] == hosts[1]
    after.verify_directly_issued_by(
        x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    )


def test_what_is_written_over_a_file_stays_that_file_and_as_closed(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"a key that was long")
    file.chmod(0o400)
    before = file.stat()
    overwrite(file, b"another")
    after = file.stat()
    assert file.read_bytes() == b"another"
    assert (after.st_ino, after.st_uid) == (before.st_ino, before.st_uid)
    assert stat.S_IMODE(after.st_mode) == 0o400
