#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A private MariaDB 11.8 server for tests, with its binary log on, from the
# Debian release trixie: see unpacked.sh.
# MARIADB118_HOME, where it is set, is the folder to install to.
#
# That release's hiredis comes with it, which has TLS, other than this one's. Its
# libraries run here as they are: see 'pkgconfig'.

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
source "$here/common.sh"
source "$here/sql_common.sh"
source "$here/unpacked.sh"

flavour=mariadb118
home=$(realpath -m -- "${MARIADB118_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/mariadb118}")
suite=trixie
packages=(mariadb-server-core mariadb-client-core)
alone=(mariadb-server libhiredis1.1.0 libhiredis-dev) # the first for its plugins
needed=../../hiredis/lib/libhiredis_ssl.so
programs=(sbin/mariadbd bin/mariadb bin/my_print_defaults bin/resolveip)
client=("$home/bin/mariadb" --no-defaults)

# Puts hiredis where it can be found without the other libraries.
place_hiredis() { # NEW
    local to=$1/hiredis file
    mkdir -p "$to/lib/pkgconfig" "$to/include"
    mv "$1/root/usr/include/hiredis" "$to/include"
    mv "$1/root/$lib"/libhiredis*.so* "$to/lib"
    for file in "$1/root/$lib"/pkgconfig/hiredis*.pc; do
        # shellcheck disable=SC2016 # pkg-config fills it in
        sed -e "s,^prefix=.*,prefix=$home/hiredis," -e 's,^libdir=.*,libdir=${prefix}/lib,' \
            -e 's,^includedir=.*,includedir=${prefix}/include,' \
            -e 's,^pkgincludedir=.*,pkgincludedir=${includedir}/hiredis,' \
            "$file" >"$to/lib/pkgconfig/${file##*/}"
    done
}

make_data() { # NEW
    place_hiredis "$1"
    # mariadb-install-db looks for the programs in their places below a base
    # folder, so it is given one that has the wrapped ones.
    mkdir -p "$1/base"
    ln -s ../bin "$1/base/bin"
    ln -s ../bin "$1/base/sbin"
    ln -s ../root/usr/share "$1/base/share"
    install_database "$1/root/usr/bin/mariadb-install-db" "$1/data" "$1/install.log" \
        --basedir="$1/base"
}

command_line() {
    mariadb_accounts
    local options
    mapfile -t options < <(server_options)
    cmd=("$home/bin/mariadbd" --no-defaults "${options[@]}" "${mariadb_options[@]}"
        --basedir="$home/root/usr" --lc-messages-dir="$home/root/usr/share/mysql"
        --character-sets-dir="$home/root/usr/share/mysql/charsets"
        --plugin-dir="$home/root/usr/lib/mysql/plugin")
}

cmd_pkgconfig() {
    echo "$home/hiredis/lib/pkgconfig"
}

own_help() {
    cat <<END
       $0 pkgconfig
           print the folder that tells pkg-config of a hiredis with TLS
END
}

main "$@"
