"""Cyrus IMAP of Debian in a container of its own, on a port of the loopback interface."""
import os

from lib import container
from lib.dovecot import free_port, need_server

# Mailboxes and messages of the user `anonymous`, who needs no database of passwords.
IMAPD = """
configdirectory: /srv/cyrus/conf
partition-default: /srv/cyrus/mail
defaultpartition: default
allowanonymouslogin: yes
admins: anonymous
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_mech_list: PLAIN ANONYMOUS
"""
CYRUS = """
START {{
  recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -C {dir}/imapd.conf -r"
}}
SERVICES {{
  imap cmd="/usr/lib/cyrus/bin/imapd -C {dir}/imapd.conf" listen="127.0.0.1:{port}" prefork=2
}}
EVENTS {{
}}
"""
CYRUS_PREPARE = """
grep -q ^cyrus: root/etc/passwd || echo 'cyrus:x:8703:8::/:/bin/sh' >>root/etc/passwd
mkdir -p root/srv/cyrus/mail
for name in proc db socket log lock; do mkdir -p root/srv/cyrus/conf/$name; done
chroot root chown -R cyrus:mail /srv/cyrus"""


def start(case, settings=None):
    """(the container, its port). `settings` are variables of the environment that all its processes get."""
    settings = [f"{name}={value}" for name, value in (settings or {}).items()]
    need_server("cyrus-imapd", "/usr/lib/cyrus/bin/imapd")
    port = free_port()
    os.chmod(case.dir, 0o755)
    for name, text in (("imapd.conf", IMAPD), ("cyrus.conf", CYRUS)):
        with open(case.path(name), "w", encoding="ascii") as file:
            file.write(text.format(dir=container.CASE, port=port))
    server = container.overlay(case, "cyrus-imapd", CYRUS_PREPARE)
    server.spawn(["env", *settings, "/usr/lib/cyrus/bin/master", "-D", "-C", container.CASE + "/imapd.conf", "-M",
                  container.CASE + "/cyrus.conf", "-p", "/run/cyrus-master.pid"])
    return server, port
