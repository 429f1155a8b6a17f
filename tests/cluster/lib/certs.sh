# shellcheck shell=bash
# The cluster's keys and certificates. They live and die with the state
# directory; each `up` that starts a new cluster makes new ones.

PKI=$STATE/pki

make_certificates() {
    mkdir -p "$PKI"
    chmod 700 "$PKI"
    make_key "$PKI/ca.key"
    run_openssl req -x509 -new -key "$PKI/ca.key" -subj "/CN=gantline-test-ca" -days 30 -out "$PKI/ca.crt" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
    make_certificate apiserver "/CN=kube-apiserver" "$(api_names)"
    # The API server as a client of the kubelet, and people as clients of the
    # API server. Each component has a name of its own, which RBAC knows and
    # which tells them apart in the audit log.
    make_certificate apiserver-kubelet-client "/O=system:masters/CN=kube-apiserver-kubelet-client"
    make_certificate admin "/O=system:masters/CN=admin"
    make_certificate kube-controller-manager "/CN=system:kube-controller-manager"
    make_certificate kube-scheduler "/CN=system:kube-scheduler"
    make_certificate kube-proxy "/CN=system:kube-proxy"
    make_certificate kwok "/O=system:masters/CN=kwok"
    make_certificate kubelet "/O=system:nodes/CN=system:node:$NODE_NAME" "DNS:$NODE_NAME,IP:$NODE_IP"
    run_openssl genrsa -out "$PKI/service-account.key" 2048
    run_openssl rsa -in "$PKI/service-account.key" -pubout -out "$PKI/service-account.pub"
}

api_names() {
    printf 'DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,'
    printf 'DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:%s,IP:%s' "$HOST_IP" "$SERVICE_API_IP"
}

make_key() { run_openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

# make_certificate NAME SUBJECT [SUBJECT_ALT_NAMES]
make_certificate() {
    local base=$PKI/$1
    make_key "$base.key"
    {
        printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'
        printf 'extendedKeyUsage=serverAuth,clientAuth\n'
        [[ -z ${3:-} ]] || printf 'subjectAltName=%s\n' "$3"
    } >"$base.extensions"
    run_openssl req -new -key "$base.key" -subj "$2" -out "$base.csr"
    run_openssl x509 -req -in "$base.csr" -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -CAcreateserial \
        -days 30 -extfile "$base.extensions" -out "$base.crt"
    rm "$base.csr" "$base.extensions"
}

# openssl reports progress on stderr; it is worth reading only when it fails.
run_openssl() {
    local output
    output=$(openssl "$@" 2>&1) || fail "openssl $1 failed: $output"
}

# make_kubeconfig FILE USER ADDRESS: with the certificates in it, so that the
# file can be copied anywhere.
make_kubeconfig() {
    local file=$1 user=$2 address=$3
    cat >"$file" <<EOF
apiVersion: v1
kind: Config
clusters:
- name: gantline-test
  cluster:
    server: https://$address:$API_PORT
    certificate-authority-data: $(base64 --wrap=0 "$PKI/ca.crt")
users:
- name: $user
  user:
    client-certificate-data: $(base64 --wrap=0 "$PKI/$user.crt")
    client-key-data: $(base64 --wrap=0 "$PKI/$user.key")
contexts:
- name: gantline-test
  context: {cluster: gantline-test, user: $user}
current-context: gantline-test
EOF
    chmod 600 "$file"
}
