package formats

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/client/profile"
)

// exportPCF writes a file for Cisco's client, with what NetworkManager adds to it.
func exportPCF(p *profile.Profile, secrets bool) ([]byte, []Note, error) {
	group, err := numberOf(p.IKE[0].Group)
	if err != nil {
		return nil, nil, err
	}
	var b strings.Builder
	line := func(key, value string) {
		if value == "" || writable(value) {
			fmt.Fprintf(&b, "%s=%s\r\n", key, value)
		}
	}
	kinds := map[profile.Auth]string{profile.AuthPSK: "1", profile.AuthRSA: "3", profile.AuthHybrid: "5"}
	if kinds[p.Auth] == "" {
		return nil, nil, fmt.Errorf("it has no place for auth = %q", p.Auth)
	}
	if p.Auth == profile.AuthRSA {
		return nil, nil, errors.New("certificates are in Cisco's or Windows's store, and its files only name them")
	}
	b.WriteString("[main]\r\n")
	line("Description", p.Name)
	line("Host", p.Gateway.Host)
	line("AuthType", kinds[p.Auth])
	line("GroupName", p.Identity)
	line("enc_GroupPwd", obscured(p.Secret, secrets))
	line("Username", p.User)
	line("SaveUserPassword", digit(secrets && p.Password != nil))
	line("enc_UserPassword", obscured(p.Password, secrets))
	line("NTDomain", p.Domain)
	line("EnableBackup", digit(len(p.Backup) > 0))
	line("BackupServer", joined(p.Backup, ","))
	line("EnableNat", digit(p.NATTraversal != profile.Off))
	line("X-NM-Use-NAT-T", digit(p.NATTraversal != profile.Off))
	line("X-NM-Force-NAT-T", digit(p.NATTraversal == profile.NATTraversalForced))
	line("TunnelingMode", "0")
	line("DHGroup", group)
	line("SingleDES", digit(offersDES(p)))
	if s := int(p.DPD / time.Second); s == 0 || s >= 30 && s <= 480 { // Cisco's client takes no others
		line("PeerTimeout", fmt.Sprint(s))
	}
	line("EnableLocalLAN", digit(p.LocalLAN))
	line("EnableSplitDNS", "1")
	line("UseLegacyIKEPort", digit(p.SourcePort == profile.DefaultPort))
	if p.Interface != "" {
		line("InterfaceName", p.Interface)
	}
	if len(p.Networks) > 0 {
		line("X-NM-Routes", joined(p.Networks, " "))
	}
	return []byte(b.String()), nil, nil
}

// obscured is a secret as Cisco's client writes it, where that is wanted and possible.
func obscured(s profile.Secret, wanted bool) string {
	if !wanted || len(s) == 0 {
		return ""
	}
	return obscure(s)
}

func digit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func joined[T fmt.Stringer](list []T, separator string) string {
	var out []string
	for _, v := range list {
		out = append(out, v.String())
	}
	return strings.Join(out, separator)
}

func offersDES(p *profile.Profile) bool {
	return slices.ContainsFunc(p.IKE, func(i profile.IKEProposal) bool { return i.Cipher == "des" })
}
