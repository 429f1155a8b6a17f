# shellcheck shell=bash
# The Debian packages that the cluster needs from the machine.

can_install() { ((EUID == 0)) && command -v apt-get >/dev/null; }

# Installs packages; a first try without `apt-get update`, which takes longer
# than most installs and is needed only when the lists are missing or stale.
install_packages() {
    say "installing $*"
    local log=$CACHE/apt.log
    mkdir -p "$CACHE"
    apt_install "$@" >"$log" 2>&1 && return
    { apt-get update && apt_install "$@"; } >>"$log" 2>&1 ||
        fail "apt-get couldn't install $*; see $log"
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@" 8>&- 9>&-
}

# ensure_tools TOOL:PACKAGE...: every tool that is missing names its package.
ensure_tools() {
    local pair missing=()
    for pair; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    ((${#missing[@]})) || return 0
    can_install ||
        fail "these Debian packages are needed: ${missing[*]}; as root: apt-get install --no-install-recommends ${missing[*]}"
    install_packages "${missing[@]}"
}

ensure_control_plane_tools() { ensure_tools openssl:openssl ss:iproute2 flock:util-linux pgrep:procps; }

ensure_node_tools() {
    # Debian's containerd brings a service. Where systemd runs it would be
    # started, and the machine's services are not ours to change.
    if [[ -d /run/systemd/system ]] && ! command -v containerd >/dev/null; then
        fail "containerd is needed, and installing it here would start its service; if that is fine, as root:" \
            "apt-get install --no-install-recommends containerd"
    fi
    ensure_tools containerd:containerd runc:runc /usr/lib/cni/bridge:containernetworking-plugins \
        ip:iproute2 nft:nftables unshare:util-linux
    # Asked by package: the other busybox is linked dynamically, and wouldn't
    # run in an image by itself.
    [[ $(dpkg-query --show --showformat='${Status}' busybox-static 2>/dev/null) == *' installed' ]] ||
        ensure_tools no-such-tool:busybox-static
}
