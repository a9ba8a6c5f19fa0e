"""Dovecot of Debian in a container of its own, on a port of the loopback interface."""
import imaplib
import os
import socket

from lib import container, hang
from lib.case import Skip, wait_until

MESSAGE = b"Subject: hello\r\n\r\nworld\r\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def need_server(package, program):
    hang.need_root("it makes namespaces")
    if not container.server_root(package) and not os.path.exists(program):
        raise Skip(f"{package} is neither installed nor unpacked (./quickstart check does that)")


def connect(port):
    """A client, as soon as the server listens."""
    def try_it():
        try:
            return imaplib.IMAP4("127.0.0.1", port, timeout=50)
        except ConnectionRefusedError:
            return None
    return wait_until(try_it, "the server to listen", 30)


def logged_in(port, user):
    client = connect(port)
    assert client.login(user, "secret")[0] == "OK"
    return client


DOVECOT = """
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:/srv/mail/%u
first_valid_uid = 0
first_valid_gid = 0
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=8 gid=8 home=/srv/mail
}}
"""
DOVECOT_PREPARE = """
grep -q ^dovecot: root/etc/passwd || {
    echo 'dovecot:x:8701:8701::/:/bin/false' >>root/etc/passwd
    echo 'dovenull:x:8702:8702::/:/bin/false' >>root/etc/passwd
    echo 'dovecot:x:8701:' >>root/etc/group
    echo 'dovenull:x:8702:' >>root/etc/group
}
mkdir -p root/srv/mail
chown 8:8 root/srv/mail"""


def start(case, settings=None):
    """(the container, its port). `settings` are variables of the environment that all its processes get."""
    settings = [f"{name}={value}" for name, value in (settings or {}).items()]
    need_server("dovecot-imapd", "/usr/lib/dovecot/imap")
    port = free_port()
    os.chmod(case.dir, 0o755)
    os.mkdir(case.path("dovecot"))
    with open(case.path("dovecot.conf"), "w", encoding="ascii") as file:
        file.write(DOVECOT.format(dir=container.CASE + "/dovecot", port=port))
        if settings:
            file.write("import_environment = $import_environment " + " ".join(settings) + "\n")
    server = container.overlay(case, "dovecot-imapd", DOVECOT_PREPARE)
    server.spawn(["env", *settings, "dovecot", "-F", "-c", container.CASE + "/dovecot.conf"])
    return server, port
