# shellcheck shell=bash
# The binary that is a whole Kubernetes: built once a machine, kept in the
# cache under a hash of the sources that it is built from.

KUBERNETES_VERSION=v1.36.3
GO_NEEDED=1.26

kube_cache_dir() {
    local hash
    hash=$(cd "$HERE" && sha256sum kube/go.mod kube/go.sum kube/main.go kube/pause/main.go lib/build.sh | sha256sum)
    printf '%s/kube-%s\n' "$CACHE" "${hash:0:16}"
}

# Prints the directory that holds the binaries `kube` and `pause`.
ensure_kube() {
    local dir
    dir=$(kube_cache_dir)
    if [[ ! -x $dir/kube ]]; then
        mkdir -p "$CACHE"
        (
            flock --nonblock 8 || { say "waiting for another build of Kubernetes to finish"; flock 8; }
            [[ -x $dir/kube ]] || build_kube "$dir"
        ) 8>"$CACHE/kube.lock"
    fi
    printf '%s\n' "$dir"
}

build_kube() {
    local dir=$1 go work log started=$SECONDS total builder
    go=$(find_go)
    work=$(mktemp -d "$CACHE/kube-build.XXXXXX")
    log=$CACHE/kube-build.log
    say "building Kubernetes $KUBERNETES_VERSION (once a machine: about 7 minutes on 2 cores, 3 GB of Go's caches); log: $log"
    # `local`: this Go, whatever a go.mod says; it must never fetch another one.
    export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOWORK=off
    local version=k8s.io/component-base/version minor=${KUBERNETES_VERSION#v1.}
    total=$(cd "$HERE/kube" && "$go" list -deps ./... 2>"$log" | wc -l) ||
        fail "Go can't list the packages of $HERE/kube: $(tail -n 3 "$log")"
    # Without a version in it, kubectl fails to parse the server's.
    (cd "$HERE/kube" && exec "$go" build -v -trimpath -o "$work/" -ldflags "-s -w
        -X $version.gitVersion=$KUBERNETES_VERSION
        -X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*}
        -X $version.gitTreeState=clean
        -X helm.sh/helm/v4/internal/version.version=$(helm_version)" . ./pause) >>"$log" 2>&1 8>&- 9>&- &
    builder=$!
    while kill -0 "$builder" 2>/dev/null; do
        sleep 1
        (((SECONDS - started) % 10)) ||
            say "  $((SECONDS - started)) s, $(grep -c '^[a-z0-9.]*/\|^[a-z]*$' "$log") of at most $total packages compiled"
    done
    if ! wait "$builder"; then
        rm -rf "$work"
        fail "building Kubernetes failed; the end of $log: $(tail -n 5 "$log")"
    fi
    mv "$work/cluster" "$work/kube"
    chmod 755 "$work"
    rm -rf "$dir"
    mv "$work" "$dir"
    say "built Kubernetes in $((SECONDS - started)) s: $dir"
}

# A Go that is new enough: the one on PATH, or in its usual place, or apt's.
find_go() {
    local candidate
    for candidate in "$(command -v go || true)" /usr/local/go/bin/go "/usr/lib/go-$GO_NEEDED/bin/go"; do
        if [[ -x $candidate ]] && go_is_new_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    if can_install && apt-cache show "golang-$GO_NEEDED-go" >/dev/null 2>&1; then
        install_packages "golang-$GO_NEEDED-go"
        printf '%s\n' "/usr/lib/go-$GO_NEEDED/bin/go"
        return
    fi
    fail "Go $GO_NEEDED or newer is needed to build Kubernetes $KUBERNETES_VERSION, and apt has no golang-$GO_NEEDED-go;" \
        "install Go and put its bin directory on PATH, then run this again"
}

go_is_new_enough() {
    local version
    version=$(GOTOOLCHAIN=local "$1" env GOVERSION) || return 1
    printf '%s\n' "$GO_NEEDED" "${version#go}" | sort --version-sort --check=quiet
}

helm_version() { sed -n 's|^\thelm.sh/helm/v4 ||p' "$HERE/kube/go.mod"; }
