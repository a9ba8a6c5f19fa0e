# Keeps the lines of unsafe.def that this libc can serve. First file: nm -D of libc; second:
# unsafe.def. Dropped names are listed in a comment at the end, so that a build shows them.
NR == FNR {
	split($3, part, "@+")
	if ($3 ~ /@@/ || $3 !~ /@/)
		normal[part[1]] = $1
	else
		other[part[1]] = other[part[1]] " " $1
	next
}
/^UNSAFE\(/ {
	name = $0
	sub(/^UNSAFE\(/, "", name)
	sub(/,.*/, "", name)
	differs = 0
	count = split(other[name], versions, " ")
	for (i = 1; i <= count; i++)
		if (versions[i] != normal[name])
			differs = 1
	if (name in normal && !differs) {
		print
		kept++
	} else {
		dropped = dropped " " name
	}
}
END {
	if (dropped)
		print "/* not in this libc, or in differing versions:" dropped " */"
	if (kept < 50) {
		print "unsafe-filter: libc's symbols could not be read" > "/dev/stderr"
		exit 1
	}
}
