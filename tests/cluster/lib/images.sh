# shellcheck shell=bash
# Container images without a registry: a directory becomes a tar that
# containerd loads under the name that manifests use.

PAUSE_IMAGE=registry.k8s.io/pause:3.10
BUSYBOX_IMAGE=docker.io/library/busybox:1.37
DEBIAN_IMAGE=docker.io/library/debian:12

# make_image FILE NAME ROOT CONFIG: FILE becomes an image called NAME with one
# layer, the contents of ROOT (a directory, or a tar); CONFIG is the JSON of its
# `config` (entrypoint, user and so on). The same contents give the same image.
make_image() {
    local file=$1 name=$2 root=$3 config=$4 work layer digest architecture
    architecture=$(dpkg --print-architecture 2>/dev/null || echo amd64)
    work=$(mktemp -d "$(dirname "$file")/image.XXXXXX")
    if [[ -d $root ]]; then
        tar --create --file="$work/layer.tar" --directory="$root" \
            --sort=name --mtime=@0 --numeric-owner --owner=0 --group=0 --format=gnu .
    else
        mv "$root" "$work/layer.tar"
    fi
    layer=$(sha256sum "$work/layer.tar"); layer=${layer%% *}
    printf '{"architecture":"%s","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        "$architecture" "$config" "$layer" >"$work/config.json"
    digest=$(sha256sum "$work/config.json"); digest=${digest%% *}
    mv "$work/config.json" "$work/$digest.json"
    printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$digest" "$name" >"$work/manifest.json"
    tar --create --file="$work/image.tar" --directory="$work" manifest.json "$digest.json" layer.tar
    mv "$work/image.tar" "$file"
    rm -rf "$work"
}

write_users() { # ROOT
    mkdir -p "$1/etc"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\nnonroot:x:65532:65532:nonroot:/:/bin/false\n' >"$1/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\nnonroot:x:65532:\n' >"$1/etc/group"
}

# The images are kept in the cache, under a hash of this file and of what else
# they are made from.
images_cache_dir() {
    local hash
    hash=$(cat "$HERE/lib/images.sh" "$(kube_cache_dir)/pause" "$(command -v busybox)" | sha256sum)
    printf '%s/images-%s\n' "$CACHE" "${hash:0:16}"
}

# Prints the directory that holds the images.
ensure_images() {
    local dir
    mkdir -p "$CACHE"
    dir=$(images_cache_dir)
    mkdir -p "$dir"
    (
        flock --nonblock 8 || { say "waiting for another build of the images to finish"; flock 8; }
        [[ -e $dir/pause.tar ]] || build_pause_image "$dir"
        [[ -e $dir/busybox.tar ]] || build_busybox_image "$dir"
        [[ -e $dir/debian.tar ]] || build_debian_image "$dir"
    ) 8>"$CACHE/images.lock"
    printf '%s\n' "$dir"
}

build_pause_image() {
    local root
    root=$(mktemp -d "$1/root.XXXXXX")
    chmod 755 "$root"
    install -m 755 "$(kube_cache_dir)/pause" "$root/pause"
    make_image "$1/pause.tar" "$PAUSE_IMAGE" "$root" '{"Entrypoint":["/pause"],"User":"65535:65535"}'
    rm -rf "$root"
}

build_busybox_image() {
    local root applet
    root=$(mktemp -d "$1/root.XXXXXX")
    chmod 755 "$root"
    write_users "$root"
    mkdir -p "$root"/{bin,dev,proc,root,sys,tmp,usr,var/run}
    chmod 1777 "$root/tmp"
    install -m 755 "$(command -v busybox)" "$root/bin/busybox"
    while read -r applet; do
        mkdir -p "$root/$(dirname "$applet")"
        [[ -e $root/$applet ]] || ln -s /bin/busybox "$root/$applet"
    done < <(busybox --list-full)
    # Debian puts some applets elsewhere than the image that people know.
    while read -r applet; do
        [[ -e $root/bin/$applet || -L $root/bin/$applet ]] || ln -s /bin/busybox "$root/bin/$applet"
    done < <(busybox --list)
    make_image "$1/busybox.tar" "$BUSYBOX_IMAGE" "$root" \
        '{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["sh"]}'
    rm -rf "$root"
}

# Debian's essential packages and the time zones, installed as Debian does it
# (so that alternatives such as awk are there), from this machine's own mirror.
build_debian_image() {
    local sources started=$SECONDS log=$CACHE/debian-image.log
    local excluded=(--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*'
        --dpkgopt='path-exclude=/usr/share/locale/*')
    sources=$(debian_sources)
    if [[ -z $sources ]]; then
        say "apt has no sources for Debian 12 here, so the image $DEBIAN_IMAGE is left out"
        return
    fi
    ensure_tools mmdebstrap:mmdebstrap
    say "making the image $DEBIAN_IMAGE (once a machine, about a minute); log: $log"
    rm -f "$1/debian-layer.tar"
    SOURCE_DATE_EPOCH=0 mmdebstrap --mode=root --variant=essential --include=tzdata "${excluded[@]}" \
        --aptopt='Acquire::Languages "none"' bookworm "$1/debian-layer.tar" - <<<"$sources" >"$log" 2>&1 8>&- 9>&- ||
        fail "mmdebstrap failed; the end of $log: $(tail -n 3 "$log")"
    make_image "$1/debian.tar" "$DEBIAN_IMAGE" "$1/debian-layer.tar" \
        '{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["bash"]}'
    say "made the image $DEBIAN_IMAGE in $((SECONDS - started)) s"
}

debian_sources() {
    # shellcheck disable=SC2016
    apt-get indextargets --format 'deb $(REPO_URI) $(CODENAME) $(ORIGIN) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
        sed -n 's/^\(deb [^ ]* bookworm\(-updates\|-security\)\?\) Debian main$/\1 main/p'
}

# containerd must be up; kubelet finds the images there.
load_images() {
    local dir image
    dir=$(ensure_images)
    for image in pause busybox debian; do
        [[ ! -e $dir/$image.tar ]] || load_image "$dir/$image.tar"
    done
}

load_image() {
    local output
    output=$(ctr images import "$1" 2>&1) || fail "containerd refuses the image $1: $output"
}
