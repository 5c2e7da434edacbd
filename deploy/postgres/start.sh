#!/bin/sh
# Postgres in a container: makes the cluster where there is none, then becomes the server. It works
# with every image that has initdb and postgres on its path. Everybody comes over TLS with a
# password, on the socket too; the administrator's is in a file.
set -eu
umask 077
export PGDATA=/var/lib/postgresql/cluster
secrets=/run/secrets

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  # Unfinished work of a start that was killed: a cluster has a PG_VERSION only when it is whole.
  find "$PGDATA" -mindepth 1 -delete
  initdb --username=administrator --pwfile="$secrets/administrator_password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale-provider=builtin --locale=C.UTF-8 \
    --data-checksums --no-instructions
fi

cat > /tmp/pg_hba.conf <<'RULES'
# Who, to what, from where: nobody without TLS and a password.
local   all  all                scram-sha-256
hostssl all  all  0.0.0.0/0     scram-sha-256
hostssl all  all  ::/0          scram-sha-256
RULES

exec postgres \
  -c listen_addresses='*' -c unix_socket_directories=/tmp -c hba_file=/tmp/pg_hba.conf \
  -c ssl=on -c ssl_min_protocol_version=TLSv1.2 \
  -c ssl_cert_file="$secrets/postgres_certificate" -c ssl_key_file="$secrets/postgres_key" \
  -c password_encryption=scram-sha-256 \
  -c shared_buffers=256MB -c max_connections=300 -c max_locks_per_transaction=256 \
  -c idle_in_transaction_session_timeout=15s -c max_wal_size=4GB \
  -c default_statistics_target=25 \
  -c jit=off -c timezone=UTC -c log_timezone=UTC -c log_line_prefix='%m [%p] %a ' \
  -c log_lock_waits=on -c log_checkpoints=off
