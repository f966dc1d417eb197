package formats

import (
	"encoding/json"
	"regexp"
	"strings"
)

// Files that are known and can't be used: what they are, and what to do.
const (
	typeIn     = "its format isn't known here: type its gateway, group, secret and algorithms into a profile of your own"
	elsewhere  = ", which is another protocol: "
	onlyIKEv2  = " is for IKEv2, which isn't spoken here: use strongSwan or the system's own client, or ask the gateway's owner for IKEv1 with XAuth"
	legacyOnly = ", and knows neither XAuth nor Mode Config"
)

var bundleMark = regexp.MustCompile(`(?m)^[ \t]*\[profiles[.\]]`)

var refused = []importer{
	{
		name: "wireguard",
		recognise: func(f *text) bool {
			return f.hasSection("Interface") && f.hasKey("PrivateKey") || f.hasSection("Peer") && f.hasKey("PublicKey")
		},
		refuse: "this is a WireGuard configuration" + elsewhere + "use wg-quick or WireGuard's own program",
	},
	{
		name:      "openvpn",
		recognise: func(f *text) bool { return openVPN.MatchString(f.body) && openVPNRemote.MatchString(f.body) },
		refuse:    "this is an OpenVPN configuration" + elsewhere + "use OpenVPN's own program",
	},
	{
		name:      "bundle",
		recognise: func(f *text) bool { return bundleMark.MatchString(f.body) && f.hasKey("bundle") && f.hasKey("serial") },
		refuse:    "this is an organisation's bundle of profiles, which only installs for all people of a machine, when its signature is right. An administrator does that: postern profile install FILE",
	},
	{
		name:      "pbk",
		recognise: func(f *text) bool { return f.hasKey("VpnStrategy") },
		refuse:    "this is a phone book of Windows: it is for PPTP, L2TP, SSTP or IKEv2" + legacyOnly + ". Use Windows's own client",
	},
	{
		name:      "anyconnect",
		recognise: func(f *text) bool { return strings.Contains(f.body, "<AnyConnectProfile") },
		refuse:    "this is a profile of AnyConnect, which speaks TLS or IKEv2: use openconnect, or ask the gateway's owner for a .pcf of the Cisco VPN Client",
	},
	{
		name:      "sswan",
		recognise: isSswan,
		refuse:    "this is a profile of strongSwan for Android: it" + onlyIKEv2,
	},
	{
		name: "thegreenbow",
		recognise: func(f *text) bool {
			return f.hasSection("TGBIKENG") || strings.Contains(f.body, "overwritten by VpnConf")
		},
		refuse: "this is a configuration of TheGreenBow's client; " + typeIn,
	},
	{
		name:      "ncp",
		recognise: func(f *text) bool { return f.hasSection("PROFILE1") && (f.hasKey("ConnMedia") || f.hasKey("IkeIdStr")) },
		refuse:    "this is a configuration of NCP's client; " + typeIn,
	},
	{
		name:      "sonicwall",
		recognise: func(f *text) bool { return strings.Contains(f.body, "<SW_Client_Policy") },
		refuse:    "this is a configuration of SonicWall's Global VPN Client; " + typeIn,
	},
	{
		name:      "sophos",
		recognise: isSophos,
		refuse:    "this is a connection of Sophos Connect; " + typeIn,
	},
	{
		name:      "vpnclient.ini",
		recognise: func(f *text) bool { return f.hasSection("LOG.IKE") || f.hasSection("ApplicationLauncher") },
		refuse:    "this is vpnclient.ini, the settings of Cisco's client as such: the connections are in its .pcf files",
	},
}

var (
	openVPN       = regexp.MustCompile(`(?m)^[ \t]*(client|dev[ \t]+tu[nt]|dev[ \t]+tap|<ca>|tls-client)`)
	openVPNRemote = regexp.MustCompile(`(?m)^[ \t]*remote[ \t]+[^ \t{]+([ \t]+[0-9]+.*)?$`)
)

// object reads a file that is one JSON object, or returns nil.
func object(f *text) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if !strings.HasPrefix(strings.TrimSpace(f.body), "{") || json.Unmarshal([]byte(f.body), &m) != nil {
		return nil
	}
	return m
}

func isSswan(f *text) bool {
	var kind string
	return json.Unmarshal(object(f)["type"], &kind) == nil && strings.HasPrefix(kind, "ikev2")
}

func isSophos(f *text) bool {
	m := object(f)
	return m["display_name"] != nil && m["gateway"] != nil
}
