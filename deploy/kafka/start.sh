#!/bin/sh
# A broker in a container: formats its folder where it is new, then becomes the broker. It works with
# every image that has java on its path and Kafka's jars in /opt/kafka/libs.
# -f: the star is Java's, not the shell's.
set -euf
umask 077
settings=/etc/qyzmet/server.properties
run="java -cp /opt/kafka/libs/* -Dlog4j2.configurationFile=/etc/qyzmet/log4j2.properties"

if [ ! -s /var/lib/kafka/data/meta.properties ]; then
  # The set-up's password goes through a file: whoever lists processes sees their arguments.
  printf -- '--add-scram\nSCRAM-SHA-512=[name=setup,password=%s]\n' \
    "$(head -n 1 /run/secrets/kafka_password_of_setup)" > /tmp/format
  $run kafka.tools.StorageTool format --cluster-id "$(cat /etc/qyzmet/cluster-id)" \
    --config "$settings" @/tmp/format
  rm /tmp/format
fi

exec $run ${KAFKA_HEAP_OPTS:--Xmx512m} -XX:+UseG1GC -XX:+ExitOnOutOfMemoryError \
  -Djava.awt.headless=true kafka.Kafka "$settings"
