# shellcheck shell=bash
# Starting, finding and ending the cluster's processes. A process is known by
# its pid *and* the time it started at (and the boot that was in), so that a
# number used again by someone else's process is never taken for ours.

RUN=$STATE/run

# Field 22 of /proc/PID/stat; the name in field 2 may hold spaces. Nothing for a zombie, unless other threads of it are
# still ending: those keep its sockets open.
start_time() {
    local stat threads
    { read -r stat </proc/"$1"/stat; } 2>/dev/null || return 1
    threads=(/proc/"$1"/task/*)
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    [[ $1 != Z || ${#threads[@]} -gt 1 ]] && printf '%s %s\n' "${20}" "$(</proc/sys/kernel/random/boot_id)"
}

record() { # NAME PID
    start_time "$2" >"$RUN/$1.started" && printf '%s\n' "$2" >"$RUN/$1.pid"
}

pid_of() { cat "$RUN/$1.pid" 2>/dev/null; }

alive() {
    local pid
    pid=$(pid_of "$1") && [[ $(start_time "$pid") == "$(cat "$RUN/$1.started" 2>/dev/null)" ]]
}

# start NAME machine|node COMMAND...: where it runs and what it is are kept, so
# that `restart` can do the same again.
start() {
    local name=$1
    printf '%s\0' "${@:2}" >"$RUN/$name.command"
    start_recorded "$name"
}

start_recorded() {
    local name=$1 command
    mapfile -d '' -t command <"$RUN/$name.command"
    case ${command[0]} in
    machine) spawn "$name" "${command[@]:1}" ;;
    node) spawn_in_node "$name" "${command[@]:1}" ;;
    esac
}

# A session of its own, so that the terminal's Ctrl-C doesn't reach it; none of
# our locks; nothing from the caller's standard streams.
spawn() {
    local name=$1; shift
    setsid "$@" </dev/null >>"$STATE/logs/$name.log" 2>&1 8>&- 9>&- &
    record "$name" $! || fail "$name ended at once; see $STATE/logs/$name.log"
}

# nsenter has to fork to enter a PID namespace. What is recorded is its child:
# the process itself, as the machine's pid.
spawn_in_node() {
    local name=$1 outer child='' node; shift
    node=$(pid_of node)
    setsid nsenter --target "$node" --mount --net --pid --wd=/ -- "$@" \
        </dev/null >>"$STATE/logs/$name.log" 2>&1 8>&- 9>&- &
    outer=$!
    until child=$(pgrep --parent "$outer"); do
        kill -0 "$outer" 2>/dev/null || fail "$name ended at once; see $STATE/logs/$name.log"
        sleep 0.02
    done
    record "$name" "$child" || fail "$name ended at once; see $STATE/logs/$name.log"
}

# stop NAME [SIGNAL]: KILL at once, or TERM with ten seconds' grace.
stop() {
    local name=$1 signal=${2:-TERM}
    if alive "$name"; then
        kill -s "$signal" "$(pid_of "$name")" 2>/dev/null || true
        wait_until 10 gone "$name" || {
            say "$name doesn't heed $signal; killing it"
            kill -s KILL "$(pid_of "$name")" 2>/dev/null || true
            wait_until 10 gone "$name" || fail "$name (pid $(pid_of "$name")) can't be killed"
        }
    fi
    rm -f "$RUN/$name.pid" "$RUN/$name.started"
}

gone() { ! alive "$1"; }

# The names of all components ever started in this state directory.
components() {
    local file
    for file in "$RUN"/*.command; do
        [[ -e $file ]] && basename "$file" .command
    done
}
